"""Why cost changed from one time to another: what is new, what is gone, more of it, or dearer.

Each group's cost is cut into the parts of its models (input, cache reads, output ...), because each
part has a quantity of its own. A part's change is its change in quantity at the former cost of one,
and the rest: a change of price, of tier or of what is inside the part. So the effects always add up
to the change, to the nano-dollar. Estimated cost is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pydantic import Field

from exporter.query.amounts import Usd
from exporter.query.usage import Group
from exporter.spans.schema import COST_COLUMNS, TOKEN_KINDS

Record = Mapping[str, Any]
Names = tuple[str, ...]
MODEL = ("Provider", "Model")

_UNSPLIT = "unsplit"
_QUANTITIES: dict[str, tuple[str, ...]] = {
    part: tuple(kind.column for kind in TOKEN_KINDS if kind.cost == part) or ("Requests",)
    for part in (*COST_COLUMNS, _UNSPLIT)
}


class CostChange(Group):
    """A group's cost beside that of the time before; the four effects add up to the change."""

    cost_usd: Usd
    previous_cost_usd: Usd
    change_usd: Usd = Field(description="cost_usd less previous_cost_usd.")
    added_usd: Usd = Field(description="Cost of models that the group did not call before.")
    removed_usd: Usd = Field(description="Cost of models that it calls no more, below 0.")
    volume_usd: Usd = Field(description="More or fewer tokens (or calls) at the former price.")
    price_usd: Usd = Field(description="Another price, tier or mix inside a part.")


@dataclass(slots=True)
class _Effects:
    now: int = 0
    then: int = 0
    added: int = 0
    removed: int = 0
    volume: int = 0
    price: int = 0


def changes(
    current: Iterable[Record], previous: Iterable[Record], by: Mapping[str, str]
) -> list[CostChange]:
    """Return a row for each group of the dimensions `by` (name to column), most changed first.

    The records are grouped by these columns and by `MODEL`.
    """
    columns = tuple(by.values())
    now, then = _by_model(current, columns), _by_model(previous, columns)
    groups: defaultdict[Names, _Effects] = defaultdict(_Effects)
    for key in now.keys() | then.keys():
        _add(groups[key[: len(columns)]], now.get(key), then.get(key))
    ordered = sorted(groups.items(), key=lambda pair: (-abs(pair[1].now - pair[1].then), pair[0]))
    return [_row(tuple(by), names, effects) for names, effects in ordered]


def _by_model(records: Iterable[Record], columns: Names) -> dict[Names, Record]:
    return {tuple(record[name] for name in (*columns, *MODEL)): record for record in records}


def _add(effects: _Effects, now: Record | None, then: Record | None) -> None:
    paid = 0 if now is None else _nano(now["CostUsd"])
    was = 0 if then is None else _nano(then["CostUsd"])
    effects.now += paid
    effects.then += was
    if now is None:
        effects.removed -= was
    elif then is None:
        effects.added += paid
    else:
        volume = sum(_volume(part, now, then) for part in _QUANTITIES)
        effects.volume += volume
        effects.price += paid - was - volume


def _volume(part: str, now: Record, then: Record) -> int:
    """Return what the change of a part's quantity costs at its former cost, in nano-dollars."""
    was = _cost(part, then)
    quantity, before = _quantity(part, now, then)
    return round(Fraction(was * (quantity - before), before)) if before else 0


def _quantity(part: str, now: Record, then: Record) -> tuple[int, int]:
    """Return the part's quantity now and then: its tokens, where none were reported its calls."""
    counts = [sum(int(each[name]) for name in _QUANTITIES[part]) for each in (now, then)]
    if not any(counts):
        counts = [int(each["Requests"]) for each in (now, then)]
    return counts[0], counts[1]


def _cost(part: str, record: Record) -> int:
    if part != _UNSPLIT:
        return _nano(record[COST_COLUMNS[part]])
    return _nano(record["CostUsd"]) - sum(_nano(record[name]) for name in COST_COLUMNS.values())


def _nano(usd: Decimal) -> int:
    return int(usd.scaleb(9))


def _row(dimensions: Names, names: Names, effects: _Effects) -> CostChange:
    return CostChange(
        **dict(zip(dimensions, names, strict=True)),
        cost_usd=_usd(effects.now),
        previous_cost_usd=_usd(effects.then),
        change_usd=_usd(effects.now - effects.then),
        added_usd=_usd(effects.added),
        removed_usd=_usd(effects.removed),
        volume_usd=_usd(effects.volume),
        price_usd=_usd(effects.price),
    )


def _usd(nano: int) -> Decimal:
    return Decimal(nano).scaleb(-9)
