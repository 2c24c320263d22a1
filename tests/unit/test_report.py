"""A report says what happened, what it cost and what is unusual, in every rendering."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import StoreUnavailableError, WrongQueryError
from exporter.notices.reports import ReportSchedule, next_due
from exporter.query.asked import TimeRange
from exporter.query.lists import ErrorRow, TraceRow
from exporter.query.report.digest import Anomaly, BudgetLine, Digest, Period, anomalies
from exporter.query.report.html import html
from exporter.query.report.markdown import markdown
from exporter.query.report.slack import slack
from exporter.query.report.words import count, usd
from exporter.query.usage import NOTHING, GroupUsage, ModelUsage, Summary, compared, figures
from exporter.spans.schema import NANOSECONDS

HOSTILE = "a|b <script>alert(1)</script> [x](http://evil) `c` *d* & <!channel>"
HOUR_NS = 3600 * NANOSECONDS


def usage(cost: str, requests: int = 10, **more: Any) -> dict[str, Any]:
    record = dict(NOTHING) | {
        "Requests": requests,
        "TokensInput": 1000,
        "CostUsd": Decimal(cost),
        "CostInputUsd": Decimal(cost),
        "DurationNs": 10 * NANOSECONDS,
        "DurationQuantiles": [5e8, 1e9, 2e9, 3e9],
    }
    return figures(record | more, 86_400, ())


def digest(name: str = "gpt-4o", **more: Any) -> Digest:
    saved = {"cache_savings_usd": None}
    values: dict[str, Any] = {
        "period": Period.DAY,
        "start": "2026-11-20T00:00:00Z",
        "end": "2026-11-21T00:00:00Z",
        "summary": Summary(**compared(usage("12.5") | saved, usage("10", 5) | saved)),
        "course": [GroupUsage(time="2026-11-20T08:00:00Z", **usage("12.5"))],
        "models": [
            ModelUsage(provider="openai", model=name, cache_savings_usd=None, **usage("12.5"))
        ],
        "services": [GroupUsage(service_name=name, **usage("12.5"))],
        "features": [],
        "traces": [
            TraceRow(
                trace_id="0" * 32,
                start="2026-11-20T08:00:00Z",
                duration_s=Decimal("1.5"),
                service_name=name,
                name="POST /chat",
                has_root=True,
                spans=3,
                error_spans=0,
                calls=1,
                tokens_total=1000,
                estimated_tokens=0,
                cost_usd=Decimal("1.25"),
                estimated_cost_usd=Decimal(0),
                unpriced_calls=0,
                models=[name],
                user_id="",
                session_id="",
            )
        ],
        "errors": [
            ErrorRow(
                outcome="rate_limited",
                error_type="RateLimitError",
                status="error",
                service_name="shop",
                provider="openai",
                model=name,
                count=7,
                first_seen="2026-11-20T08:00:00Z",
                last_seen="2026-11-20T09:00:00Z",
                trace_ids=["1" * 32],
                messages=[],
            )
        ],
        "budgets": [
            BudgetLine(name=name, period="month", amount_usd=Decimal(100), spent_usd=Decimal(120))
        ],
        "anomalies": [Anomaly(model=name, cost_usd=Decimal("12.5"), usual_usd=Decimal(2))],
    }
    return Digest(**(values | more))


def nothing() -> Digest:
    record = figures(NOTHING, 86_400, ()) | {"cache_savings_usd": None}
    empty: list[Any] = []
    names = ("course", "models", "services", "traces", "errors", "budgets", "anomalies")
    return digest(summary=Summary(**compared(record, record)), **dict.fromkeys(names, empty))


class Page(HTMLParser):
    """What a browser would show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        del attrs
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    "expected",
    ["$12.50", "+25 %", "gpt-4o", "rate_limited", "0" * 32, "$120.00 of $100.00", "usually $2.00"],
)
@pytest.mark.parametrize(
    "render", [markdown, html, lambda d: str(slack(d))], ids=["markdown", "html", "slack"]
)
def test_every_rendering_says_it(render: Any, expected: str) -> None:
    shown = render(digest())
    assert expected in (shown.replace("\\_", "_"))


def test_a_name_from_a_sender_is_never_markup() -> None:
    page = Page(html(digest(HOSTILE)))
    assert "script" not in page.tags
    assert HOSTILE[:30] in page.text
    rows = [line for line in markdown(digest(HOSTILE)).splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows if "openai" in line} == {7, 5}
    assert "<script>" not in markdown(digest(HOSTILE)).replace("\\<", "")
    assert "<!channel>" not in str(slack(digest(HOSTILE)))


@pytest.mark.parametrize("render", [markdown, html, slack], ids=["markdown", "html", "slack"])
def test_a_day_without_calls_is_a_report_too(render: Any) -> None:
    assert "2026-11-20" in str(render(nothing()))


@given(st.text(max_size=5000), st.integers(0, 60))
def test_a_slack_message_is_within_its_limits(name: str, models: int) -> None:
    shown = [
        ModelUsage(provider="p", model=f"{name}{i}", cache_savings_usd=None, **usage("1"))
        for i in range(models)
    ]
    unusual = [Anomaly(model=name, cost_usd=Decimal(2), usual_usd=None)] * models
    message = slack(digest(models=shown, anomalies=unusual))
    assert len(message["blocks"]) <= 50
    for block in message["blocks"]:
        if block["type"] == "section" and "text" in block:
            assert 0 < len(block["text"]["text"]) <= 3000
            assert block["text"]["text"].count("```") % 2 == 0


@pytest.mark.parametrize(
    ("now", "earlier", "expected"),
    [
        pytest.param({"a": "30"}, [{"a": "10"}] * 4, ["a"], id="three times as much"),
        pytest.param({"a": "14"}, [{"a": "10"}] * 4, [], id="less than half above"),
        pytest.param({"a": "0.9"}, [{"a": "0.1"}] * 4, [], id="not worth a line"),
        pytest.param({"a": "30"}, [{"a": "5"}, {"a": "40"}] * 2, [], id="within its spread"),
        pytest.param({"a": "5"}, [{"b": "10"}] * 4, ["a"], id="new"),
        pytest.param({"a": "0.5"}, [{"b": "10"}] * 4, [], id="new and cheap"),
        pytest.param({"a": "5"}, [{}] * 4, [], id="nothing to compare with"),
        pytest.param({"a": "30"}, [{}, {}, {}, {"a": "10"}], ["a"], id="only one period known"),
        pytest.param(
            {"a": "30", "b": "90"}, [{"a": "1", "b": "1"}], ["b", "a"], id="largest first"
        ),
    ],
)
def test_what_is_unusual(
    now: dict[str, str], earlier: list[dict[str, str]], expected: list[str]
) -> None:
    found = anomalies(_money(now), [_money(each) for each in earlier])
    assert [each.model for each in found] == expected


def _money(costs: dict[str, str]) -> dict[str, Decimal]:
    return {model: Decimal(cost) for model, cost in costs.items()}


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("1234.5", "$1,234.50"),
        ("0", "$0.00"),
        ("0.0123", "$0.0123"),
        ("0.000042", "$0.0000420"),
        ("0.000000001", "$0.000000001"),
    ],
)
def test_money_has_as_many_digits_as_it_needs(amount: str, expected: str) -> None:
    assert usd(Decimal(amount)) == expected


@pytest.mark.parametrize(
    ("number", "expected"), [(9999, "9,999"), (12_345, "12.3k"), (1_500_000, "1.5M"), (None, "-")]
)
def test_counts_are_short(number: int | None, expected: str) -> None:
    assert count(number) == expected


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        (Period.DAY, ("2026-11-20T00", "2026-11-21T00")),
        (Period.WEEK, ("2026-11-09T00", "2026-11-16T00")),
    ],
)
def test_a_report_is_about_the_last_whole_period(period: Period, expected: tuple[str, str]) -> None:
    saturday = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    within = period.last(int(saturday.timestamp()) * NANOSECONDS)
    shown = [
        datetime.fromtimestamp(t / 1e9, UTC).strftime("%Y-%m-%dT%H")
        for t in (within.start_ns, within.end_ns)
    ]
    assert tuple(shown) == expected


@given(st.dates(date(2000, 1, 1), date(2200, 1, 1)), st.sampled_from(Period))
def test_every_day_is_in_one_period(day: date, period: Period) -> None:
    within = period.holding(day)
    noon_ns = int(datetime.combine(day, time(12), UTC).timestamp()) * NANOSECONDS
    assert within.start_ns < noon_ns < within.end_ns
    assert period.holding(day + timedelta(days=1)).start_ns in {within.start_ns, within.end_ns}


@pytest.mark.parametrize("day", [date(1, 1, 1), date(1969, 12, 31), date(2263, 1, 1), date.max])
@pytest.mark.parametrize("period", Period)
def test_a_report_of_a_day_that_no_store_holds_is_refused(period: Period, day: date) -> None:
    with pytest.raises(WrongQueryError, match="between 1970 and 2262"):
        period.holding(day)


@given(
    st.integers(1_700_000_000, 1_900_000_000),
    st.integers(0, 23),
    st.sampled_from(Period),
)
def test_the_next_report_is_due_after_now_and_within_a_period(
    seconds: int, hour: int, period: Period
) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    due = next_due(period, hour, now)
    assert now < due <= now + timedelta(days=7 if period is Period.WEEK else 1)
    assert due.hour == hour
    assert period is Period.DAY or due.weekday() == 0


def test_the_periods_to_compare_with_have_the_same_weekday() -> None:
    within = TimeRange(20 * 24 * HOUR_NS, 21 * 24 * HOUR_NS)
    assert {
        (within.start_ns - e.start_ns) % (7 * 24 * HOUR_NS) for e in Period.DAY.earlier(within)
    } == {0}


def test_a_report_that_cannot_be_made_does_not_end_the_schedule() -> None:
    sent: list[Digest] = []
    failing = [True, False]

    def report(period: Period, *_: Any) -> Digest:
        if failing.pop(0):
            raise StoreUnavailableError("ClickHouse does not answer")
        return digest(period=period)

    schedule = ReportSchedule(Period.DAY, 7, report=report, send=sent.append)
    schedule.send()
    schedule.send()
    assert [each.period for each in sent] == [Period.DAY]


def test_a_report_is_sent_when_it_is_due() -> None:
    due = datetime(2026, 11, 21, 7, tzinfo=UTC).timestamp()
    times = iter([due - 0.001])
    sent: list[Digest] = []

    def send(found: Digest) -> None:
        sent.append(found)
        schedule.stop(0)

    schedule = ReportSchedule(
        Period.DAY,
        7,
        report=lambda period, *_: digest(period=period),
        send=send,
        clock=lambda: next(times, due + 1),
    )
    schedule._run()
    assert len(sent) == 1
