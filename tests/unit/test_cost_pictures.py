"""Sankey, treemap and changes of cost: whatever is folded or split, the sums stay exact."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.query.changes import changes
from exporter.query.flows import OTHER, sankey, treemap
from exporter.query.usage import NOTHING

BY = {"model": "Model", "feature": "Feature", "user_id": "UserId"}
NAMES = st.sampled_from(["", "a", "b", "c", "d", "e/f"])
COUNT = st.integers(0, 50)
NANO = st.integers(0, 10**12).map(lambda nano: Decimal(nano).scaleb(-9))


def usage(**columns: Any) -> dict[str, Any]:
    return dict(NOTHING) | {"Provider": "", "Model": "", "Feature": "", "UserId": ""} | columns


def usages(keys: Sequence[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return groups with different keys, whose costs have parts and a rest without parts."""
    figures = st.builds(
        lambda names, requests, tokens, parts, rest: usage(
            **dict(zip(keys, names, strict=True)),
            Requests=requests,
            TokensInput=tokens[0],
            TokensOutput=tokens[1],
            CostInputUsd=parts[0],
            CostOutputUsd=parts[1],
            CostUsd=parts[0] + parts[1] + rest,
        ),
        st.tuples(*[NAMES] * len(keys)),
        COUNT,
        st.tuples(COUNT, COUNT),
        st.tuples(NANO, NANO),
        NANO,
    )
    return st.lists(figures, max_size=12, unique_by=lambda row: tuple(row[key] for key in keys))


RECORDS = usages(["Model", "Feature", "UserId"])
MEASURES = st.sampled_from(["cost", "tokens", "requests"])


@given(RECORDS, MEASURES, st.integers(1, 4))
def test_what_flows_into_a_level_flows_out_of_it(records: Any, measure: Any, top: int) -> None:
    links, nodes = sankey(records, BY, measure, top)
    total = sum((record["CostUsd"] for record in records), Decimal(0))
    for depth in range(3):
        level = [node for node in nodes if node.depth == depth]
        assert sum((node.cost_usd for node in level), Decimal(0)) == total
        assert len(level) <= top + 1
    for node in nodes:
        into = sum((link.cost_usd for link in links if link.target == node.id), Decimal(0))
        out = sum((link.cost_usd for link in links if link.source == node.id), Decimal(0))
        assert node.depth == 0 or into == node.cost_usd
        assert node.depth == 2 or out == node.cost_usd
    ids = [node.id for node in nodes]
    assert len(set(ids)) == len(ids)
    assert {end for link in links for end in (link.source, link.target)} <= set(ids)


@given(RECORDS, MEASURES, st.integers(1, 4))
def test_areas_add_up_to_the_area_around_them(records: Any, measure: Any, top: int) -> None:
    areas = treemap(records, BY, measure, top)
    ids = [area.id for area in areas]
    assert len(set(ids)) == len(ids)
    assert areas[0].requests == sum(record["Requests"] for record in records)
    for area in areas:
        inside = [each for each in areas if each.parent == area.id]
        assert len(inside) <= top + 1
        if inside:
            assert sum((each.cost_usd for each in inside), Decimal(0)) == area.cost_usd
            assert sum(each.tokens_total for each in inside) == area.tokens_total
        else:
            assert area.depth == 3 or not records


def test_the_small_are_folded_and_the_large_kept() -> None:
    records = [usage(Model=m, Feature="x", Requests=n) for m, n in (("a", 5), ("b", 3), ("c", 1))]
    links, nodes = sankey(records, {"model": "Model", "feature": "Feature"}, "requests", 1)
    assert [(n.name, n.requests) for n in nodes] == [("a", 5), (OTHER, 4), ("x", 9)]
    assert [(link.source, link.target) for link in links] == [
        ("model=a", "feature=x"),
        ("model=(other)", "feature=x"),
    ]


GROUPS = usages(["Feature", "Provider", "Model"])
EFFECTS = ("added_usd", "removed_usd", "volume_usd", "price_usd")


@given(GROUPS, GROUPS)
def test_the_effects_add_up_to_the_change_and_the_changes_to_the_total(now: Any, then: Any) -> None:
    rows = changes(now, then, {"feature": "Feature"})
    for row in rows:
        assert sum(getattr(row, name) for name in EFFECTS) == row.change_usd
        assert row.cost_usd - row.previous_cost_usd == row.change_usd
    for records, name in ((now, "cost_usd"), (then, "previous_cost_usd")):
        total = sum((record["CostUsd"] for record in records), Decimal(0))
        assert sum((getattr(row, name) for row in rows), Decimal(0)) == total


@given(GROUPS)
def test_nothing_changed_between_a_time_and_itself(records: Any) -> None:
    for row in changes(records, records, {"feature": "Feature"}):
        assert not any(getattr(row, name) for name in (*EFFECTS, "change_usd"))


def costs(**columns: Any) -> dict[str, Any]:
    """Return a model's usage at $2 a million input tokens, unless said otherwise."""
    tokens = columns.get("TokensInput", 0)
    rate = columns.pop("rate", 2)
    cost = Decimal(tokens) * rate / 1_000_000
    return usage(Model="m", Requests=1, CostInputUsd=cost, CostUsd=cost, **columns)


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        pytest.param([costs(TokensInput=10)], [], {"added": "0.00002"}, id="new"),
        pytest.param([], [costs(TokensInput=10)], {"removed": "-0.00002"}, id="gone"),
        pytest.param(
            [costs(TokensInput=30)],
            [costs(TokensInput=10)],
            {"volume": "0.00004", "price": "0"},
            id="more of it",
        ),
        pytest.param(
            [costs(TokensInput=10, rate=3)],
            [costs(TokensInput=10)],
            {"volume": "0", "price": "0.00001"},
            id="dearer",
        ),
        pytest.param(
            [costs(TokensInput=20, rate=1)],
            [costs(TokensInput=10)],
            {"volume": "0.00002", "price": "-0.00002"},
            id="more and cheaper: no change, two effects",
        ),
        pytest.param(
            [usage(Model="m", Requests=3, CostUsd=Decimal(6))],
            [usage(Model="m", Requests=1, CostUsd=Decimal(1))],
            {"volume": "2", "price": "3"},
            id="reported as one sum: by call",
        ),
    ],
)
def test_effects(now: Any, then: Any, expected: dict[str, str]) -> None:
    [row] = changes(now, then, {"feature": "Feature"})
    found = {name: getattr(row, f"{name}_usd") for name in expected}
    assert found == {name: Decimal(text) for name, text in expected.items()}
