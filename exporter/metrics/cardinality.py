"""Keep the number of label values and of series bounded, without losing a count.

The first values of a label are admitted and keep their series for good; every later value is
counted under `__overflow__`. So running series never freeze or vanish, and totals stay exact.
"""

from __future__ import annotations

from collections.abc import Sequence

OVERFLOW = "__overflow__"

# Senders choose values; a longer one is cut, so that no label is a document.
VALUE_MAX_CHARS = 256


class LabelLimiter:
    """Admits the first `values_max` values of one label."""

    def __init__(self, values_max: int) -> None:
        self._values_max = values_max
        self._admitted: set[str] = set()
        self.overflowed = 0
        """Values turned away so far; a value that comes again is counted again."""

    def admit(self, value: str) -> str:
        """Return the value, cut to its limit; `OVERFLOW` when it is new and the label is full."""
        value = value[:VALUE_MAX_CHARS]
        if value in self._admitted:
            return value
        if len(self._admitted) < self._values_max:
            self._admitted.add(value)
            return value
        self.overflowed += 1
        return OVERFLOW


class SeriesTable:
    """Gives each label set of a metric a row, up to `series_max` of them.

    When the table is full, a new label set is counted in the one row whose open labels are all
    `OVERFLOW`; labels with a closed set of values keep theirs.
    """

    def __init__(self, open_labels: Sequence[bool], series_max: int) -> None:
        self._open = tuple(open_labels)
        self._series_max = series_max
        self._rows: dict[tuple[str, ...], int] = {}
        self.overflowed = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def label_sets(self) -> list[tuple[str, ...]]:
        """The label values of each row, in the order of the rows."""
        return list(self._rows)

    def row(self, values: tuple[str, ...]) -> int:
        """Return the row of a label set, a new one where there is room."""
        row = self._rows.get(values)
        if row is not None:
            return row
        if len(self._rows) >= self._series_max:
            self.overflowed += 1
            values = tuple(
                OVERFLOW if is_open else value
                for value, is_open in zip(values, self._open, strict=True)
            )
        # The overflow rows stand above the limit; closed labels bound their number.
        return self._rows.setdefault(values, len(self._rows))
