-- What it takes to give a span back exactly as it came: references to entities, and where among a
-- span's attributes those stood that are content.
ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS
    ResourceEntityRefs LowCardinality(String) CODEC(ZSTD(1)) AFTER ScopeSchemaUrl;

ALTER TABLE llm_content ADD COLUMN IF NOT EXISTS
    AttributePositions Array(UInt32) CODEC(ZSTD(1)) AFTER AttributeTypes;

-- For searches by attribute: most granules do not have a rare key or value.
ALTER TABLE otel_traces ADD INDEX IF NOT EXISTS
    idx_resource_attribute_keys mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1;

ALTER TABLE otel_traces ADD INDEX IF NOT EXISTS
    idx_span_attribute_values mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1;
