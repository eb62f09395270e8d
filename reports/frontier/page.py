"""The frontier of a replay as a page: the chart, its figures, and how to read them."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from evaluators.statistics.estimate import Estimate
from reports.frontier import chart
from reports.frontier.chart import frontier_svg, usd
from reports.frontier.figures import Frontier, ModelPoint, days_of, spoken
from reports.weekly import wording
from reports.weekly.html import Column, table
from reports.weekly.style import STYLE
from reports.writing import write_whole

COLUMNS = (
    *(Column("model"), Column("grade", True), Column("against now", True)),
    *(Column("USD per 1,000 calls", True), Column("against now", True)),
    *(Column("graded", True), Column("verdict")),
)


def write_frontier_page(frontiers: Sequence[Frontier], *, out_dir: Path) -> Path:
    """One page for a replay, a section for each rubric; replaces the one of before."""
    first = frontiers[0]
    body = "".join(map(_section, frontiers))
    return write_whole(
        out_dir / f"frontier-{first.replay_id}.html",
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Cost and quality</title><style>{STYLE}{chart.STYLE}</style></head>"
        f"<body><h1>Cost and quality</h1>{_about(first)}{body}{_READING}</body></html>",
    )


_READING = (
    '<footer><p class="dim">Grades are means over the calls that the sample stands for, compared prompt '
    "by prompt with what was answered then; costs are at the prices of the replay’s day, for both. "
    "Bars are 95 % intervals, clustered on the prompt. A hollow dot is dominated: another model is at "
    "least as good and at least as cheap. “Perhaps” means that the intervals do not settle it. Recorded "
    "answers may have had a warm prompt cache; replayed ones had none that the provider did not give "
    "them.</p></footer>"
)


def _about(frontier: Frontier) -> str:
    out_of = "" if frontier.outcome == "finished" else ", which ended it before all was asked"
    return (
        f'<p class="dim">{frontier.points[0].n_prompts:,} prompts for {frontier.n_population:,} calls, '
        f"{days_of(frontier)}, seed {frontier.seed}; "
        f"replay {frontier.replay_id}, "
        f"{wording.usd(frontier.spent_usd)} of a budget of {wording.usd(frontier.max_usd)}{out_of}.</p>"
    )


def _section(frontier: Frontier) -> str:
    rows = [_row(point) for point in frontier.points]
    return (
        f"<section><h2>{wording.name(frontier.rubric)}</h2>"
        f'<p class="dim">Graded by {wording.safe(frontier.judge)}, version '
        f"{wording.safe(frontier.judge_version)}, recorded and replayed answers alike.</p>"
        f"<figure>{frontier_svg(frontier, is_alone=False)}</figure>"
        f"{table(COLUMNS, rows, label=f'Cost and quality by {frontier.rubric}', look='fold')}</section>"
    )


def _row(point: ModelPoint) -> list[str]:
    is_now = point.is_incumbent
    unscored = ", ".join(f"{count} {spoken(reason)}" for reason, count in point.unscored.items())
    return [
        wording.name(point.model) + ("<small>now</small>" if is_now else ""),
        _cell(wording.grade(point.grade), wording.grades(point.grade)),
        "" if is_now else _difference(point.grade_difference),
        _cell(usd(point.usd_per_1k.value) if point.usd_per_1k.is_known else wording.NONE, _dollars(point)),
        "" if is_now else _dearer(point.usd_per_1k_difference),
        _cell(f"{point.n_graded:,} of {point.n_prompts:,}", escape(unscored)),
        wording.safe(point.verdict),
    ]


def _cell(figure: str, below: str) -> str:
    return f"{figure}<small>{below}</small>" if below else figure


def _dollars(point: ModelPoint) -> str:
    found = point.usd_per_1k
    return f"{usd(found.low)}–{usd(found.high)}" if found.has_interval else "no interval"


def _difference(found: Estimate) -> str:
    if not found.is_known:
        return wording.NONE
    below = "no interval"
    if found.has_interval:
        below = f"{wording.signed(found.low, digits=2)} to {wording.signed(found.high, digits=2)}"
    return _cell(wording.signed(found.value, digits=2), f"{below}, {found.n:,} pair{'s' * (found.n != 1)}")


def _dearer(found: Estimate) -> str:
    if not found.is_known:
        return wording.NONE
    below = f"{_signed(found.low)} to {_signed(found.high)}" if found.has_interval else "no interval"
    return _cell(_signed(found.value), below)


def _signed(amount: float) -> str:
    return f"{'−' if amount < 0 else '+'}{usd(abs(amount))}"
