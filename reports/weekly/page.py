"""The page of a week: one file without a script that asks the network for nothing."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

from evaluators.statistics.estimate import Estimate
from reports.weekly import charts, comparing, judge_charts, tables, wording
from reports.weekly.figures import Figures
from reports.weekly.headlines import headlines
from reports.weekly.style import STYLE
from reports.writing import write_whole

SECTIONS = (
    ("quality", "Quality"),
    ("models", "Models"),
    ("prompts", "Prompts"),
    ("cost", "Cost and latency"),
    ("incidents", "Incidents"),
    ("drift", "Drift"),
    ("evaluators", "Evaluators and coverage"),
)


def write_page(figures: Figures, path: Path) -> Path:
    """Write the page, whole or not at all."""
    return write_whole(path, render(figures))


def file_name(figures: Figures) -> str:
    return f"weekly-{figures.week}.html"


def render(figures: Figures) -> str:
    """The page as HTML; no text of others is in it that is not escaped."""
    week = figures.week
    title = f"LLM quality, {week}"
    bodies = dict(_bodies(figures))
    sections = "".join(
        f'<section aria-labelledby="{key}"><h2 id="{key}">{heading}</h2>{bodies[key]}</section>'
        for key, heading in SECTIONS
    )
    links = "".join(f'<li><a href="#{key}">{heading}</a></li>' for key, heading in SECTIONS)
    told = "".join(f'<li class="{one.tone}">{escape(one.text)}</li>' for one in headlines(figures))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">
<title>{title}</title><style>{STYLE}</style></head><body>
<header><h1>LLM quality, week {week.first_day.isocalendar().week}</h1>
<p>{week.span} <span class="dim">({week}, Monday to Sunday, UTC)</span></p></header>
<main>{_cards(figures)}
<ul class="headlines" aria-label="What to know">{told}</ul>
<nav aria-label="Sections"><ul>{links}</ul></nav>
{sections}</main>
{_footer(figures)}</body></html>
"""


def _bodies(figures: Figures) -> Iterator[tuple[str, str]]:
    judges = judge_charts.judges(figures)
    yield "quality", f'<div class="charts">{charts.quality(figures)}{charts.traffic(figures)}{judges}</div>'
    yield "models", f"{tables.models(figures)}{comparing.comparison(figures)}{_how_compared(figures)}"
    yield "prompts", tables.prompts(figures)
    yield (
        "cost",
        f'<div class="charts">{charts.cost(figures)}{charts.latency(figures)}</div>{_money(figures)}'
        f"{tables.judge_costs(figures)}",
    )
    yield "incidents", tables.incidents(figures)
    yield "drift", tables.drift(figures)
    yield "evaluators", f"{tables.evaluators(figures)}{_boundaries(figures)}"


def _cards(figures: Figures) -> str:
    failing, cost, latency = figures.failing, figures.cost, figures.latency
    found = failing.estimate
    judged = f"{wording.interval(found)}, n {failing.n:,}, {wording.rule_sets(failing.versions)}"
    cards = (
        ("calls", f"{figures.traffic.n_calls:,}", f"{figures.traffic_before.n_calls:,} the week before"),
        (
            "failing",
            wording.percent(found.value),
            judged if failing.n else "nothing scored",
        ),
        (
            "cost",
            wording.usd(cost.amount_usd),
            f"{cost.n_priced:,} priced calls, {cost.n_unpriced:,} without a price{_price_version(figures)}",
        ),
        (
            "p95 latency",
            wording.seconds(latency.p95_ms),
            f"median {wording.seconds(latency.p50_ms)}, n {latency.n:,}",
        ),
        ("incidents", f"{figures.n_incidents:,}", "alerts that fired, or went on from before"),
    )
    inner = "".join(
        f'<div class="card"><span>{label}</span><b>{value}</b><span>{escape(below)}</span></div>'
        for label, value, below in cards
    )
    return f'<div class="cards">{inner}</div>'


def _price_version(figures: Figures) -> str:
    version = figures.cost.price_version
    return "" if version is None else f", price version {version}"


def _how_compared(figures: Figures) -> str:
    if not figures.comparisons:
        return ""
    return (
        '<p class="dim">Differences are the model less all others, with 95 % intervals. “As it came” '
        "flatters a model that got the easier calls; “equal traffic” weighs prompt class, language and "
        "length alike; “equal prompts” compares answers to the same prompt. The verdict rests on the fairest "
        "of these that has enough data.</p>"
    )


def _money(figures: Figures) -> str:
    wasted = figures.cost.failed_attempts_usd
    if not wasted:
        return ""
    return (
        f'<p class="dim">{wording.usd(wasted)} of the week’s cost bought no answer: attempts that failed '
        "after they had used tokens.</p>"
    )


def _boundaries(figures: Figures) -> str:
    if not figures.boundaries:
        return ""
    items = "".join(
        f"<li>{wording.moment(one.at)}: {wording.name(one.evaluator)} "
        f"{wording.name(one.from_version or 'none')} → {wording.name(one.to_version or 'none')}"
        f'<span class="dim">, {_shift(one.shift)}</span></li>'
        for one in figures.boundaries
    )
    return f"<h3>Changes of evaluators in these four weeks</h3><ul>{items}</ul>"


def _shift(shift: Estimate) -> str:
    if not shift.is_known:
        return "not bridged"
    ends = f" ({shift.low:+.3f} to {shift.high:+.3f})" if shift.has_interval else ""
    return f"{shift.value:+.3f}{ends} on {shift.n:,} shared calls"


def _footer(figures: Figures) -> str:
    fresh = figures.freshness
    newest = wording.moment(fresh.newest_hour) if fresh.newest_hour else "no call yet"
    waiting = f"; {fresh.n_hours_waiting:,} hours wait for a refresh" if fresh.n_hours_waiting else ""
    closed = (
        f"days are closed up to {fresh.last_closed_day}" if fresh.last_closed_day else "no day is closed yet"
    )
    return (
        f'<footer class="dim"><p>Made {figures.made_at:%Y-%m-%d %H:%M} UTC from the marts: newest hour '
        f"{newest}, {closed}{waiting}. Charts show up to four weeks, the week of the report shaded; a day "
        "without a figure leaves a gap.</p><p>Shares carry 95 % Wilson intervals, differences "
        "Newcombe’s; n is what was scored. Unscored is not passed, unpriced is not free. A model is the one "
        "that was asked for.</p></footer>"
    )
