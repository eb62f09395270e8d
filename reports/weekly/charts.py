"""The report's charts: quality, latency, traffic and cost over the days, the report's week shaded."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby

from reports.weekly import svg, wording
from reports.weekly.figures import FailingDay, Figures
from reports.weekly.html import Column, figure, nothing, table
from reports.weekly.svg import Point, Series
from reports.weekly.wording import percent, seconds, usd

LOOKS = ("c0", "c1", "c2", "c3", "c4", "c5", "c6")
RATE_TABLE = (Column("day"), Column("share", True), Column("95 % interval", True), Column("n", True))


def quality(figures: Figures) -> str:
    """The share of failed calls of each day, a line a rule set."""
    days = [found for found in figures.failing_days if found.share.n]
    if not days:
        return nothing("No call of these days has a verdict yet.")
    versions = sorted({found.share.versions[0] for found in days})
    looks = {version: LOOKS[n % len(LOOKS)] for n, version in enumerate(versions)}
    series = [
        Series(looks[version], [_failing_point(one) for one in days if one.share.versions[0] == version])
        for version in versions
    ]
    marks = [found.at.date() for found in figures.boundaries]
    legend = [(looks[version], f"rule set {wording.safe(version)}") for version in versions]
    if marks:
        legend.append(("mark", "an evaluator changed"))
    rows = [
        [
            wording.day(one.day),
            percent(one.share.estimate.value),
            wording.interval(one.share.estimate),
            f"{one.share.n:,}",
            wording.safe(one.share.versions[0]),
        ]
        for one in days
    ]
    return figure(
        heading="Failing calls",
        below="Share of scored calls that failed a rule above “info”, with 95 % intervals.",
        legend=legend,
        svg=svg.lines(
            _axes(figures, _highest(series), marks=marks),
            series,
            title="Share of failing calls by day",
            told=told("failing", [(one.day, one.share.estimate.value) for one in days], show=percent),
            key="quality",
        ),
        data=table((*RATE_TABLE, Column("rule set", True)), rows, label="Failing calls by day"),
    )


def traffic(figures: Figures) -> str:
    """Calls of each day: answered, cut short, failed."""
    days = [found for found in figures.traffic_days if found.traffic.n_calls]
    if not days:
        return nothing("No calls on these days.")
    parts = (
        ("c0", "ended well", [one.traffic.n_calls - one.traffic.n_error - one.traffic.n_cut for one in days]),
        ("c6", "interrupted, or the client left", [one.traffic.n_cut for one in days]),
        ("bad", "error", [one.traffic.n_error for one in days]),
    )
    series = [
        Series(
            look,
            [
                Point(one.day, n, note=f"{wording.day(one.day)}: {n:,} {words}")
                for one, n in zip(days, counts, strict=True)
            ],
        )
        for look, words, counts in parts
    ]
    rows = [
        [
            wording.day(one.day),
            f"{one.traffic.n_calls:,}",
            f"{one.traffic.n_error:,}",
            f"{one.traffic.n_cut:,}",
            f"{percent(one.traffic.errors.estimate.value)} ({wording.interval(one.traffic.errors.estimate)})",
        ]
        for one in days
    ]
    columns = (
        *(Column("day"), Column("calls", True), Column("errors", True), Column("cut short", True)),
        Column("errors, 95 % interval", True),
    )
    axes = _axes(figures, max(one.traffic.n_calls for one in days), label=_count, least=4, most=None)
    return figure(
        heading="Calls",
        below="Every call of the product by how it ended: exact counts.",
        legend=[(look, words) for look, words, _ in parts],
        svg=svg.columns(
            axes,
            series,
            title="Calls by day",
            told=told("calls", [(one.day, one.traffic.n_calls) for one in days], show=_count),
            key="traffic",
        ),
        data=table(columns, rows, label="Calls by day"),
    )


def latency(figures: Figures) -> str:
    """Median and 95th percentile of each day."""
    days = [found for found in figures.latency_days if found.latency.p95_ms is not None]
    if not days:
        return nothing("No call of these days ended well, so none has a latency.")
    p50 = [(one.day, one.latency.p50_ms or 0.0, one.latency.n) for one in days]
    p95 = [(one.day, one.latency.p95_ms or 0.0, one.latency.n) for one in days]
    series = [
        Series(
            look,
            [
                Point(day, ms, note=f"{wording.day(day)}: {words} {seconds(ms)} of {n:,}")
                for day, ms, n in found
            ],
        )
        for look, words, found in (("c0", "p50", p50), ("c1", "p95", p95))
    ]
    rows = [
        [wording.day(one.day), seconds(one.latency.p50_ms), seconds(one.latency.p95_ms), f"{one.latency.n:,}"]
        for one in days
    ]
    columns = (Column("day"), Column("p50", True), Column("p95", True), Column("n", True))
    axes = _axes(figures, max(ms for _, ms, _ in p95), label=_short_seconds, least=1, most=None)
    return figure(
        heading="Latency",
        below="Half of the calls, and 95 of 100, took no longer; calls that ended well, at most 1 % off.",
        legend=[("c0", "p50 (median)"), ("c1", "p95")],
        svg=svg.lines(
            axes,
            series,
            title="Latency by day",
            told=told("p95", [(day, ms) for day, ms, _ in p95], show=seconds),
            key="latency",
        ),
        data=table(columns, rows, label="Latency by day"),
    )


def cost(figures: Figures) -> str:
    """USD of each day by model, the dearest first."""
    if not figures.cost_days:
        return nothing("No call of these days has a price.")
    by_model = [
        (model, list(found)) for model, found in groupby(figures.cost_days, key=lambda one: one.model)
    ]
    series = [
        Series(
            LOOKS[n % len(LOOKS)],
            [
                Point(
                    one.day,
                    float(one.amount_usd),
                    note=f"{wording.day(one.day)}: {usd(one.amount_usd)} {wording.plain(model)}",
                )
                for one in found
            ],
        )
        for n, (model, found) in enumerate(by_model)
    ]
    totals: dict[date, float] = {}
    for one in figures.cost_days:
        totals[one.day] = totals.get(one.day, 0.0) + float(one.amount_usd)
    rows = [
        [wording.day(one.day), wording.name(one.model), usd(one.amount_usd), f"{one.n_priced:,}"]
        for one in sorted(figures.cost_days, key=lambda one: (one.day, -one.amount_usd))
    ]
    columns = (Column("day"), Column("model"), Column("USD", True), Column("priced calls", True))
    axes = _axes(figures, max(totals.values()), label=_dollars, least=1e-4, most=None)
    return figure(
        heading="Cost",
        below="USD of the priced calls by model; calls without a price are not in it.",
        legend=[(LOOKS[n % len(LOOKS)], wording.name(model)) for n, (model, _) in enumerate(by_model)],
        svg=svg.columns(
            axes,
            series,
            title="Cost by day",
            told=told("cost", sorted(totals.items()), show=_dollars),
            key="cost",
        ),
        data=table(columns, rows, label="Cost by day and model"),
    )


def _axes(
    figures: Figures,
    largest: float,
    *,
    label: svg.Format | None = None,
    least: float = 0.02,
    most: float | None = 1.0,
    marks: Sequence[date] = (),
) -> svg.Frame:
    return svg.frame(
        figures.chart_days,
        largest,
        label=label or _whole_percent,
        week=(figures.week.first_day, figures.week.last_day),
        least=least,
        most=most,
        marks=marks,
    )


def _failing_point(found: FailingDay) -> Point:
    share = found.share
    note = f"{wording.day(found.day)}: {wording.rate(share)}, {wording.rule_sets(share.versions)}"
    return Point(found.day, share.estimate.value, share.estimate.low, share.estimate.high, note)


def _highest(series: Sequence[Series]) -> float:
    """The top of the lines; intervals of days of few calls may leave the chart, or they would flatten it."""
    values = [point.value for one in series for point in one.points]
    ends = sorted(point.high for one in series for point in one.points if point.high is not None)
    typical = ends[len(ends) * 3 // 4] if ends else 0.0
    return max(*values, typical) if values else 0.0


def told(what: str, days: Sequence[tuple[date, float]], *, show: svg.Format) -> str:
    """The chart in words: where the line begins and ends, its lowest and highest day."""
    lowest = min(days, key=lambda one: one[1])
    highest = max(days, key=lambda one: one[1])
    (first, begins), (last, ends) = min(days), max(days)
    n_missing = (last - first) // timedelta(days=1) + 1 - len({day for day, _ in days})
    gaps = f" {n_missing} days between have no figure." if n_missing else ""
    return (
        f"{what}: {show(begins)} on {wording.day(first)}, {show(ends)} on {wording.day(last)}; lowest "
        f"{show(lowest[1])} on {wording.day(lowest[0])}, "
        f"highest {show(highest[1])} on {wording.day(highest[0])}."
        f"{gaps}"
    )


def _whole_percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _count(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if unit == 'k' else size):.3g}{unit}"
    return f"{value:,.0f}" if value == int(value) else f"{value:.1f}"


def _dollars(value: float) -> str:
    return f"${value:,.0f}" if value >= 100 else f"${value:.3g}"


def _short_seconds(value: float) -> str:
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.3g} s"
