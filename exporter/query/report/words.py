"""Figures as a report writes them."""

from __future__ import annotations

from decimal import Decimal

from exporter.query.report.digest import Anomaly, BudgetLine, Digest

NOT_KNOWN = "-"


def usd(amount: Decimal | None) -> str:
    """Return money with as many digits as it needs to be told from nothing."""
    if amount is None:
        return NOT_KNOWN
    if abs(amount) >= 1 or not amount:
        return f"${amount:,.2f}"
    digits = min(9, 2 - amount.adjusted())
    return f"${amount:.{digits}f}"


def count(number: int | None) -> str:
    """Return a count, large ones in thousands, millions or billions."""
    if number is None:
        return NOT_KNOWN
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**4, "k")):
        if number >= size:
            return f"{number / (10**3 if unit == 'k' else size):.1f}{unit}"
    return f"{number:,}"


def share(ratio: float | None) -> str:
    """Return a share of 1 as per cent."""
    if ratio is None:
        return NOT_KNOWN
    return f"{ratio * 100:.2f} %" if 0 < ratio < 0.1 else f"{ratio * 100:.1f} %"


def seconds(duration: Decimal | None) -> str:
    """Return a duration."""
    if duration is None:
        return NOT_KNOWN
    return f"{duration * 1000:.0f} ms" if duration < 1 else f"{duration:.2f} s"


def change(ratio: float | None) -> str:
    """Return a change against the period before, empty where it is not known."""
    return "" if ratio is None else f"{ratio * 100:+.0f} %"


def title(digest: Digest) -> str:
    """Return the headline."""
    day = digest.start[:10]
    return f"LLM usage on {day}" if digest.period == "day" else f"LLM usage, week of {day}"


def headline(digest: Digest) -> list[tuple[str, str, str]]:
    """Return the figures that come first: name, value, change."""
    found = digest.summary
    before = found.model_extra or {}
    return [
        ("Cost", usd(found.cost_usd), change(before.get("change_cost_usd"))),
        ("Requests", count(found.requests), change(before.get("change_requests"))),
        ("Tokens", count(found.tokens_total), change(before.get("change_tokens_total"))),
        ("Errors", share(found.error_ratio), change(before.get("change_errors"))),
        ("p95", seconds(found.duration_p95_s), change(before.get("change_duration_p95_s"))),
        (
            "First token p95",
            seconds(found.ttft_p95_s),
            change(before.get("change_ttft_p95_s")),
        ),
    ]


def warnings(digest: Digest) -> list[str]:
    """Return what somebody should look at, a sentence each."""
    found = [anomaly(each) for each in digest.anomalies]
    found += [budget(each) for each in digest.budgets if each.spent_usd >= each.amount_usd]
    if digest.summary.unpriced_requests:
        found.append(
            f"{count(digest.summary.unpriced_requests)} calls have no price "
            "(llm-observatory prices check lists their models)."
        )
    if digest.summary.estimated_cost_usd:
        found.append(
            f"{usd(digest.summary.estimated_cost_usd)} more is estimated, for calls that report "
            "no usage."
        )
    return found


def anomaly(found: Anomaly) -> str:
    """Return the sentence for a model that costs unusually much."""
    if found.usual_usd is None:
        return f"{found.model} is new and cost {usd(found.cost_usd)}."
    return f"{found.model} cost {usd(found.cost_usd)}, usually {usd(found.usual_usd)}."


def budget(found: BudgetLine) -> str:
    """Return the sentence for a budget."""
    ratio = float(found.spent_usd / found.amount_usd)
    return (
        f"Budget {found.name} ({found.period}): {usd(found.spent_usd)} of "
        f"{usd(found.amount_usd)} spent, {share(ratio)}."
    )
