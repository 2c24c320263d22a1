"""What calls cost before and after, added up and told."""

from __future__ import annotations

from decimal import Decimal

from rich.console import Console
from rich.table import Table

from exporter.genai.prices.money import nano_dollars
from exporter.spans.batch import SpanBatch
from exporter.spans.schema import TOKEN_KINDS


class Total:
    """What all windows add up to."""

    def __init__(self) -> None:
        self.calls = self.changed = self.unsettled = self.tokens = 0
        self.unpriced_before = self.unpriced_after = 0
        self._before_nano = self._after_nano = 0

    def add(self, old: SpanBatch, new: SpanBatch, rows: int) -> None:
        """Add the calls of a window before and after; `rows` of them have another price."""
        self.calls += len(old)
        self.changed += rows
        self.tokens += sum(int(old[k.column].fill_null(0).to_numpy().sum()) for k in TOKEN_KINDS)
        self._before_nano += int(nano_dollars(old["CostUsd"]).sum())
        self._after_nano += int(nano_dollars(new["CostUsd"]).sum())
        self.unpriced_before += old["CostUsd"].null_count
        self.unpriced_after += new["CostUsd"].null_count

    @property
    def before(self) -> Decimal:
        """US dollars before."""
        return Decimal(self._before_nano).scaleb(-9)

    @property
    def after(self) -> Decimal:
        """US dollars after."""
        return Decimal(self._after_nano).scaleb(-9)

    def report(self, console: Console, *, done: bool) -> None:
        """Print what repricing changed, or would change."""
        console.print(
            f"{self.changed:,} of {self.calls:,} calls {'have' if done else 'would have'} "
            f"another price: {_usd(self.before)} before, {_usd(self.after)} now; "
            f"without a price: {self.unpriced_before:,} before, {self.unpriced_after:,} now."
        )
        if self.unsettled:
            console.print(
                f"{self.unsettled:,} groups of usage by minute or hour were left as they are, "
                "because calls of them were just arriving or are deleted. Run this again."
            )

    def compare(self, console: Console, model: str, other: str) -> None:
        """Print what one model cost beside what another would have."""
        if not self.calls:
            console.print(f"No calls of {model} since then.")
            return
        table = Table("", "cost", "calls without a cost")
        table.add_row(f"as it was, {model}", _usd(self.before), f"{self.unpriced_before:,}")
        table.add_row(f"as if by {other}", _usd(self.after), f"{self.unpriced_after:,}")
        console.print(table)
        difference = self.after - self.before
        share = f" ({difference / self.before:+.1%})" if self.before else ""
        sign = "+" if difference >= 0 else "-"
        console.print(
            f"{self.calls:,} calls, {self.tokens:,} tokens: {sign}{_usd(abs(difference))}{share}\n"
            "The same tokens are assumed: another model may count and answer differently."
        )


def _usd(amount: Decimal) -> str:
    return f"${amount:,.6f}" if amount < 1 else f"${amount:,.2f}"
