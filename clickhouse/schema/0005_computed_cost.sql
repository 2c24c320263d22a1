-- Our own cost beside a reported one that counts: what the price list says of the same call.
ALTER TABLE otel_traces
    ADD COLUMN IF NOT EXISTS ComputedCostUsd Nullable(Decimal(18, 9)) CODEC(ZSTD(1)) AFTER ReportedCostUsd;
