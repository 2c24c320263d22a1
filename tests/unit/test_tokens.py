"""Reported token counts become disjoint kinds: which counts include which, and what adds up."""
# parametrize and hypothesis pass the rules by name

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.genai.fields import COUNT_FIELDS
from exporter.genai.find import TOKENS_MAX
from exporter.genai.tokens import Usage, disjoint
from exporter.spans.schema import TOKEN_KINDS

INPUT_KINDS = (
    "input",
    "input_audio",
    "input_image",
    "cache_read",
    "cache_write",
    "cache_write_1h",
)
OUTPUT_KINDS = ("output", "reasoning", "output_audio", "output_image")
CACHED = ("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")

Counts = dict[str, int]
CASES = {"max_examples": 200, "deadline": None}


def split(
    reports: list[Counts],
    *,
    input_includes: bool = True,
    output_includes: bool = True,
    firm: bool = False,
) -> list[Counts]:
    """Return the known kinds of each span; a count that a report lacks is not known."""
    columns = {
        name: np.array([report.get(name, -1) for report in reports], dtype=np.int64)
        for name in COUNT_FIELDS
    }
    n = len(reports)
    rules = (np.full(n, rule) for rule in (input_includes, output_includes, firm))
    kinds = disjoint(Usage(columns, *rules))
    assert set(kinds) == {kind.name for kind in TOKEN_KINDS}
    return [
        {name: int(counts[i]) for name, counts in kinds.items() if counts[i] != -1}
        for i in range(n)
    ]


def report(**counts: int) -> Counts:
    """Return counts by field; the keyword is the field's name without `_tokens`."""
    return {f"{name}_tokens": count for name, count in counts.items()}


@pytest.mark.parametrize(
    ("reported", "includes", "kinds"),
    [
        pytest.param(report(), True, {}, id="nothing reported"),
        pytest.param(
            report(input=10, output=5), True, {"input": 10, "output": 5}, id="no parts"
        ),
        pytest.param(
            report(input=0, output=0), True, {"input": 0, "output": 0}, id="zero is known"
        ),
        pytest.param(report(output=5), True, {"output": 5}, id="only output"),
        pytest.param(report(input=8), True, {"input": 8}, id="embeddings: only input"),
        pytest.param(
            report(input=2000, output=300, cache_read=1500, reasoning=100),
            True,
            {"input": 500, "cache_read": 1500, "output": 200, "reasoning": 100},
            id="OpenAI: input includes cached, output includes reasoning",
        ),
        pytest.param(
            report(input=50, output=20, cache_read=1000, cache_write=200),
            False,
            {"input": 50, "cache_read": 1000, "cache_write": 200, "output": 20},
            id="Anthropic raw: input leaves cached out",
        ),
        pytest.param(
            report(input=2000, output=20, cache_read=1000, cache_write=200),
            False,
            {"input": 2000, "cache_read": 1000, "cache_write": 200, "output": 20},
            id="Anthropic raw with little cached: the convention's rule decides",
        ),
        pytest.param(
            report(input=1250, output=20, cache_read=1000, cache_write=200),
            True,
            {"input": 50, "cache_read": 1000, "cache_write": 200, "output": 20},
            id="Anthropic by the OpenTelemetry rule: input includes read and write",
        ),
        pytest.param(
            report(input=4, output=767, total=771, cache_read=32308),
            True,
            {"input": 4, "cache_read": 32308, "output": 767},
            id="more cached than input beats a total that says otherwise",
        ),
        pytest.param(
            report(input=3, output=10, cache_read=2, cache_write=2),
            True,
            {"input": 3, "cache_read": 2, "cache_write": 2, "output": 10},
            id="read and write together are more than the input",
        ),
        pytest.param(
            report(input=100, output=50, total=150, cache_read=40),
            False,
            {"input": 60, "cache_read": 40, "output": 50},
            id="total is input + output: inclusive against the rule",
        ),
        pytest.param(
            report(input=100, output=50, total=190, cache_read=40),
            True,
            {"input": 100, "cache_read": 40, "output": 50},
            id="Converse: total is input + cached + output: exclusive against the rule",
        ),
        pytest.param(
            report(input=100, output=50, total=999, cache_read=40),
            True,
            {"input": 60, "cache_read": 40, "output": 50},
            id="a total that fits nothing says nothing",
        ),
        pytest.param(
            report(input=40, output=5, cache_read=40),
            True,
            {"input": 0, "cache_read": 40, "output": 5},
            id="all of the input was cached",
        ),
        pytest.param(
            report(output=5, cache_read=40),
            True,
            {"input": 0, "cache_read": 40, "output": 5},
            id="cached without input: nothing else is known to be there",
        ),
        pytest.param(
            report(input=100, cache_write=30, cache_write_1h=20),
            True,
            {"input": 50, "cache_write": 30, "cache_write_1h": 20},
            id="writes of both lives",
        ),
        pytest.param(
            report(input=100, input_audio=30, input_image=20, cache_read=10),
            True,
            {"input": 40, "input_audio": 30, "input_image": 20, "cache_read": 10},
            id="audio and images are part of the input",
        ),
        pytest.param(
            report(input=100, cache_read=80, input_audio=60),
            True,
            {"input": 0, "cache_read": 80, "input_audio": 20},
            id="cached audio: a part is cut to what is left of its whole",
        ),
    ],
)  # fmt: skip
def test_input(reported: Counts, includes: bool, kinds: Counts) -> None:
    assert split([reported], input_includes=includes) == [kinds]


@pytest.mark.parametrize(
    ("reported", "includes", "kinds"),
    [
        pytest.param(
            report(input=10, output=90, reasoning=60),
            True,
            {"input": 10, "output": 30, "reasoning": 60},
            id="includes reasoning",
        ),
        pytest.param(
            report(input=10, output=90, reasoning=60),
            False,
            {"input": 10, "output": 90, "reasoning": 60},
            id="Gemini candidates leave thoughts out",
        ),
        pytest.param(
            report(input=10, output=30, reasoning=60),
            True,
            {"input": 10, "output": 30, "reasoning": 60},
            id="more reasoning than output",
        ),
        pytest.param(
            report(input=10, output=90, reasoning=60, total=160),
            True,
            {"input": 10, "output": 90, "reasoning": 60},
            id="total says that reasoning comes on top (xAI)",
        ),
        pytest.param(
            report(input=10, output=90, reasoning=60, total=100),
            False,
            {"input": 10, "output": 30, "reasoning": 60},
            id="total says that reasoning is included",
        ),
        pytest.param(
            report(input=10, output=90, reasoning=60, output_audio=20, output_image=5),
            True,
            {"input": 10, "output": 5, "reasoning": 60, "output_audio": 20, "output_image": 5},
            id="audio and images are part of the output",
        ),
        pytest.param(
            report(input=100, cache_read=20, output=50, reasoning=20, total=170),
            True,
            {"input": 100, "cache_read": 20, "output": 30, "reasoning": 20},
            id="cached of the same size as reasoning: input leaves out, output includes",
            # 170 = 100 + 20 + 50: the 20 are explained by one of the two, not by both.
        ),
    ],
)
def test_output(reported: Counts, includes: bool, kinds: Counts) -> None:
    assert split([reported], output_includes=includes) == [kinds]


COUNT = st.one_of(st.integers(0, 12), st.sampled_from([1000, TOKENS_MAX]))
REPORTS = st.dictionaries(st.sampled_from(COUNT_FIELDS), COUNT)
RULES = st.booleans()


def total(kinds: Counts, names: tuple[str, ...]) -> int:
    return sum(kinds.get(name, 0) for name in names)


@settings(**CASES)
@given(REPORTS, RULES, RULES)
def test_no_known_kind_is_negative(reported: Counts, into: bool, out: bool) -> None:
    (kinds,) = split([reported], input_includes=into, output_includes=out)
    assert all(count >= 0 for count in kinds.values())


@settings(**CASES)
@given(REPORTS, RULES, RULES)
def test_kinds_add_up_to_the_whole(reported: Counts, into: bool, out: bool) -> None:
    (kinds,) = split([reported], input_includes=into, output_includes=out)
    given_input = reported.get("input_tokens", 0)
    cached = sum(reported.get(name, 0) for name in CACHED)
    given_output = reported.get("output_tokens", 0)
    reasoning = reported.get("reasoning_tokens", 0)
    # Two readings of a report are possible; every token is in exactly one kind of one of them.
    assert total(kinds, INPUT_KINDS) in {given_input, given_input + cached}
    assert total(kinds, OUTPUT_KINDS) in {given_output, given_output + reasoning}


@settings(**CASES)
@given(REPORTS, RULES, RULES)
def test_without_a_total_the_rule_decides_unless_parts_exceed_the_whole(
    reported: Counts, into: bool, out: bool
) -> None:
    reported.pop("total_tokens", None)
    (kinds,) = split([reported], input_includes=into, output_includes=out)
    cached = sum(reported.get(name, 0) for name in CACHED)
    given_input = reported.get("input_tokens", 0)
    inclusive = into and cached <= given_input
    assert total(kinds, INPUT_KINDS) == given_input + (0 if inclusive else cached)


@settings(**CASES)
@given(REPORTS, RULES, RULES)
def test_cached_tokens_and_reasoning_are_never_lost(
    reported: Counts, into: bool, out: bool
) -> None:
    (kinds,) = split([reported], input_includes=into, output_includes=out)
    parts = {"cache_read": "cache_read_tokens", "cache_write": "cache_write_tokens"}
    parts |= {"cache_write_1h": "cache_write_1h_tokens", "reasoning": "reasoning_tokens"}
    for kind, field in parts.items():
        assert kinds.get(kind, 0) == reported.get(field, 0)


@settings(**CASES)
@given(REPORTS, RULES, RULES)
def test_what_was_not_reported_is_not_known(reported: Counts, into: bool, out: bool) -> None:
    (kinds,) = split([reported], input_includes=into, output_includes=out)
    own = {"input", "output"}
    assert {f"{name}_tokens" for name in kinds if name not in own} <= set(reported)
    assert ("input" in kinds) == (
        "input_tokens" in reported or any(reported.get(name) for name in CACHED)
    )


@settings(**CASES)
@given(st.lists(REPORTS, max_size=6), RULES, RULES)
def test_a_span_is_split_the_same_alone_and_among_others(
    reports: list[Counts], into: bool, out: bool
) -> None:
    rules = {"input_includes": into, "output_includes": out}
    assert split(reports, **rules) == [split([each], **rules)[0] for each in reports]


def test_a_total_does_not_overrule_what_is_known_of_the_scope_itself() -> None:
    # OpenLLMetry's Bedrock sums the raw counts, which leave cached tokens out, into its total.
    raw = report(input=100, cache_read=40, output=10, total=110)
    [kinds] = split([raw], input_includes=False, firm=True)
    assert kinds == {"input": 100, "cache_read": 40, "output": 10}
