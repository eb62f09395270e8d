"""What to know of the week, in sentences that the page, the mail and Slack share."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from reports.weekly import wording
from reports.weekly.figures import Figures, Share

Tone = Literal["bad", "good", "plain"]
VERDICTS: tuple[tuple[str, Tone], ...] = (("worse", "bad"), ("better", "good"))
MOST_NAMED = 3
# One day of nine columns differs by chance every second day; two days in a row seldom do.
LASTING_DAYS = 2


@dataclass(frozen=True, slots=True)
class Headline:
    """A sentence as plain text: whoever shows it escapes it."""

    tone: Tone
    text: str


def headlines(figures: Figures) -> tuple[Headline, ...]:
    """The week's sentences: traffic, quality, models, latency, cost, incidents, drift, what is missing."""
    if not figures.traffic.n_calls:
        return (Headline("plain", _no_calls(figures)), *_incidents(figures), *_state(figures))
    return (
        *_traffic(figures),
        *_failing(figures),
        *_models(figures),
        *_latency(figures),
        *_cost(figures),
        *_incidents(figures),
        *_drift(figures),
        *_boundaries(figures),
        *_state(figures),
    )


def _no_calls(figures: Figures) -> str:
    before = figures.traffic_before.n_calls
    since = f"; the week before had {before:,}" if before else ""
    return f"No call of the product in this week{since}."


def _traffic(figures: Figures) -> Iterator[Headline]:
    now, before = figures.traffic, figures.traffic_before
    against = f", {wording.change(now.n_calls, before.n_calls)} on the week before" if before.n_calls else ""
    yield Headline("plain", f"{now.n_calls:,} call{'' if now.n_calls == 1 else 's'}{against}.")
    if now.n_error:
        tone, compared = _compared(now.errors, before.errors)
        yield Headline(tone, f"Errors: {wording.rate(now.errors)}{compared}.")


def _failing(figures: Figures) -> Iterator[Headline]:
    now, before = figures.failing, figures.failing_before
    if not now.n:
        yield Headline("bad", "No call of the week has a verdict: quality is unknown, not good.")
        return
    told = f"Failing: {wording.rate(now)} by {wording.rule_sets(now.versions)}"
    if before.n and now.versions != before.versions:
        other = wording.rule_sets(before.versions)
        yield Headline("plain", f"{told}; not compared with the week before, which {other} judged.")
        return
    tone, compared = _compared(now, before)
    yield Headline(tone, f"{told}{compared}.")


def _compared(now: Share, before: Share) -> tuple[Tone, str]:
    """How a share of bad calls stands to that of the week before."""
    if not (now.n and before.n):
        return "plain", ", and none in the week before to compare with"
    difference, was = now.minus(before), wording.percent(before.estimate.value)
    if not difference.excludes(0):
        return "plain", f"; no change shown from {was} the week before (n {before.n:,})"
    tone, moved = ("bad", "up") if difference.value > 0 else ("good", "down")
    return tone, f"; {moved} from {was} (n {before.n:,}), by {wording.points(difference)}"


def _models(figures: Figures) -> Iterator[Headline]:
    for verdict, tone in VERDICTS:
        found = [one for one in figures.comparisons if one.verdict == verdict and figures.may_rank(one)]
        if not found:
            continue
        named = ", ".join(
            f"{wording.plain(one.model)} (by {_judge_of(one.evaluator)}, {one.fairest.basis})"
            for one in found[:MOST_NAMED]
        )
        more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        yield Headline(tone, f"Shown {verdict} than the other models: {named}{more}.")


def _judge_of(evaluator: str) -> str:
    return "the rules" if evaluator == "rules" else f"the judge of {wording.plain(evaluator)}"


def _latency(figures: Figures) -> Iterator[Headline]:
    now, before = figures.latency, figures.latency_before
    if now.p95_ms is None:
        return
    against = ""
    if before.p95_ms is not None:
        against = f", against {wording.seconds(before.p50_ms)} and {wording.seconds(before.p95_ms)}"
    yield Headline(
        "plain",
        f"Latency: half of {now.n:,} calls within {wording.seconds(now.p50_ms)}, 95 of 100 within "
        f"{wording.seconds(now.p95_ms)}{against}.",
    )


def _cost(figures: Figures) -> Iterator[Headline]:
    now, before = figures.cost, figures.cost_before
    if now.amount_usd is None:
        yield Headline("plain", f"Cost: unknown, none of {now.n_unpriced:,} calls has a price.")
        return
    against = ""
    if before.amount_usd:
        against = f", {wording.change(float(now.amount_usd), float(before.amount_usd))} on the week before"
    unpriced = f"; {now.n_unpriced:,} calls have no price and are not in it" if now.n_unpriced else ""
    yield Headline(
        "plain", f"Cost: {wording.usd(now.amount_usd)} for {now.n_priced:,} priced calls{against}{unpriced}."
    )


def _incidents(figures: Figures) -> Iterator[Headline]:
    if not figures.incidents:
        return
    n, n_open = figures.n_incidents, figures.n_incidents_open
    groups = list(dict.fromkeys(wording.plain(one.group) for one in figures.incidents))
    named = ", ".join(groups[:MOST_NAMED]) + (" and others" if len(groups) > MOST_NAMED else "")
    going_on = f", {n_open:,} of them still going on" if n_open else ""
    yield Headline("bad", f"{n:,} incident{'' if n == 1 else 's'} ({named}){going_on}.")


def _drift(figures: Figures) -> Iterator[Headline]:
    lasting = sorted({one.column for one in figures.drift if one.n_days_in_row >= LASTING_DAYS})
    if lasting:
        yield Headline("bad", f"Drift of two days or more in a row: {', '.join(lasting)}.")


def _boundaries(figures: Figures) -> Iterator[Headline]:
    inside = [one for one in figures.boundaries if figures.week.start <= one.at < figures.week.end]
    if inside:
        names = sorted({wording.plain(one.evaluator) for one in inside})
        shown = ", ".join(names[:MOST_NAMED]) + (" and others" if len(names) > MOST_NAMED else "")
        yield Headline(
            "plain", f"Evaluators changed in the week: {shown}. Figures move for that reason, too."
        )


def _state(figures: Figures) -> Iterator[Headline]:
    if not figures.is_over:
        yield Headline("plain", "The week is not over: these are the figures so far.")
    elif not figures.is_closed:
        yield Headline("plain", "The week is not closed yet: late calls may still change its figures.")
    pending = sum(one.n_pending for one in figures.evaluators if one.kind == "rule")
    if pending:
        yield Headline("plain", f"{pending:,} verdicts of rules are still pending.")
