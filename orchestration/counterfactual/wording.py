"""A forecast and a frontier as lines for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any

from evaluators.statistics.estimate import Estimate
from orchestration.counterfactual.run import Forecast
from reports.frontier.chart import usd
from reports.frontier.figures import Frontier, ModelPoint, days_of, spoken
from reports.weekly.wording import plain, signed

_MOST_STRATA = 8


def forecast_lines(forecast: Forecast) -> Iterator[str]:
    """Prompts × models × USD, and what the sample is of."""
    sampled, drawn = forecast.sampled, forecast.sampled.draw
    yield f"sample    {len(sampled.prompts):,} prompts for {drawn.n_population:,} calls"
    counts = dict.fromkeys(drawn.sizes, 0)
    for prompt in sampled.prompts:
        counts[prompt.stratum] += 1
    for name in list(drawn.sizes)[:_MOST_STRATA]:
        yield f"          {counts[name]:,} of {drawn.sizes[name]:,}  {plain(name)}"
    if len(drawn.sizes) > _MOST_STRATA:
        yield f"          and {len(drawn.sizes) - _MOST_STRATA} strata more"
    for left_out, what in ((drawn.left_out, "left out"), (sampled.left_out, "of it not")):
        if left_out:
            yield f"{what}  {_counts(left_out)}"
    yield ""
    names = [plain(line.name, most=40) for line in forecast.lines]
    width = max(len(name) for name in names)
    yield (
        f"{'model':{width}}  {'what':22}  {'prompts':>7}  {'known':>6}  {'tokens in':>11}  {'out':>11}"
        f"  {'about USD':>10}  {'at most':>10}"
    )
    for name, line in zip(names, forecast.lines, strict=True):
        yield (
            f"{name:{width}}  {line.purpose[:22]:22}  {line.n_prompts:>7,}  {line.n_known:>6,}"
            f"  {line.input_tokens:>11,}  {line.output_tokens:>11,}"
            f"  {_small(line.usd):>10}  {_small(line.most_usd):>10}"
        )
    yield ""
    yield from _budget(forecast)


def _budget(forecast: Forecast) -> Iterator[str]:
    spent = forecast.spent
    if spent.n_requests:
        doubt = f", {spent.n_in_doubt} of them in doubt" if spent.n_in_doubt else ""
        yield f"so far    ${spent.usd:,.4f} for {spent.n_requests:,} requests{doubt}"
    left = forecast.max_usd - spent.usd
    yield f"in all    about ${forecast.usd:,.4f}, budget ${forecast.max_usd:,f}; nothing was asked or written"
    if forecast.usd > left:
        yield f"The budget (${left:,.4f} left) will not reach every prompt: see `about USD`."


def frontier_lines(frontier: Frontier) -> Iterator[str]:
    """The points of one rubric, the incumbent first."""
    yield (
        f"{frontier.rubric} by {plain(frontier.judge)} {frontier.judge_version}: "
        f"{frontier.points[0].n_prompts:,} prompts for {frontier.n_population:,} calls, "
        f"{days_of(frontier)}"
    )
    names = [
        plain(point.model, most=40) + (" (now)" if point.is_incumbent else "") for point in frontier.points
    ]
    width = max(len(name) for name in names)
    yield (
        f"{'model':{width}}  {'graded':>11}  {'grade':>5}  {'95 % interval':>14}  {'against now':>23}"
        f"  {'pairs':>6}  {'USD/1k':>9}  {'95 % interval':>19}  verdict"
    )
    for name, point in zip(names, frontier.points, strict=True):
        yield f"{name:{width}}  {_figures(point)}  {plain(point.verdict)}"
    for name, point in zip(names, frontier.points, strict=True):
        if point.unscored:
            reasons = {spoken(reason): count for reason, count in point.unscored.items()}
            yield f"without a grade: {name}: {_counts(reasons)}"


def spent_line(frontier: Frontier) -> str:
    """What the replay has cost, and how it ended."""
    ended = {"finished": "finished", "out_of_budget": "out of budget: a larger one continues it"}
    return (
        f"replay {frontier.replay_id}: ${frontier.spent_usd:,.6f} of ${frontier.max_usd:,f} spent,"
        f" {ended.get(frontier.outcome, frontier.outcome)}"
    )


def _small(amount: Decimal) -> str:
    """Four places, and what is less than they can say is not nothing."""
    return "<0.0001" if 0 < amount < Decimal("0.0001") else f"{amount:,.4f}"


def _figures(point: ModelPoint) -> str:
    graded = f"{point.n_graded:,} of {point.n_prompts:,}"
    grade = f"{point.grade.value:.2f}" if point.grade.is_known else "–"
    cost = usd(point.usd_per_1k.value) if point.usd_per_1k.is_known else "–"
    pairs = "" if point.is_incumbent else f"{point.n_pairs:,}"
    return (
        f"{graded:>11}  {grade:>5}  {_interval(point.grade):>14}  {_against(point):>23}"
        f"  {pairs:>6}  {cost:>9}  {_dollars(point.usd_per_1k):>19}"
    )


def _against(point: ModelPoint) -> str:
    found = point.grade_difference
    if point.is_incumbent or not found.is_known:
        return ""
    ends = f" ({signed(found.low, digits=2)}, {signed(found.high, digits=2)})" if found.has_interval else ""
    return f"{signed(found.value, digits=2)}{ends}"


def _interval(found: Estimate) -> str:
    return f"{found.low:.2f} to {found.high:.2f}" if found.has_interval else "–"


def _dollars(found: Estimate) -> str:
    return f"{usd(found.low)} to {usd(found.high)}" if found.has_interval else "–"


def _counts(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())


def rows_of(frontiers: Sequence[Frontier]) -> list[dict[str, Any]]:
    """Every figure, a row a rubric and model; None where nothing is known."""
    return [_row(frontier, point) for frontier in frontiers for point in frontier.points]


def _row(frontier: Frontier, point: ModelPoint) -> dict[str, Any]:
    return {
        "replay_id": frontier.replay_id,
        "rubric": frontier.rubric,
        "model": point.model,
        "is_incumbent": str(point.is_incumbent).lower(),
        "n_prompts": point.n_prompts,
        "n_graded": point.n_graded,
        "n_pairs": point.n_pairs,
        **_ends("grade", point.grade),
        **_ends("grade_difference", point.grade_difference),
        **_ends("usd_per_1k", point.usd_per_1k),
        **_ends("usd_per_1k_difference", point.usd_per_1k_difference),
        "dominated_by": "; ".join(point.dominated_by),
        "surely_dominated_by": "; ".join(point.surely_dominated_by),
        "judge": frontier.judge,
        "judge_version": frontier.judge_version,
        "price_version": frontier.price_version,
    }


def _ends(name: str, found: Estimate) -> dict[str, float | None]:
    figures = {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return {name: value if isfinite(value) else None for name, value in figures.items()}
