"""Charts as inline SVG: no script, no fonts of their own, colours from the page's variables.

Every chart is 400 units wide, so that its text is readable where a phone shows it at its own width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from itertools import pairwise
from math import floor, isfinite, log10

WIDTH, HEIGHT = 400.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 8.0, 10.0, 24.0
Format = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Point:
    """A figure of a day; `low` and `high` are None where there is no interval. `note` is for a pointer."""

    day: date
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """A line, or the columns of one colour; `look` is a class of the page's style (c0, c1, …)."""

    look: str
    points: Sequence[Point]
    is_dashed: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What a chart's axes show: the days from left to right, and values from `bottom` to `top`.

    `week` are the days of the report, which are shaded; `marks` the days that a boundary stands before.
    """

    days: Sequence[date]
    top: float
    step: float
    label: Format
    week: tuple[date, date]
    marks: Sequence[date] = ()
    bottom: float = 0.0

    def x(self, day: date) -> float:
        """The middle of the day's slot."""
        return LEFT + self.slot * ((day - self.days[0]).days + 0.5)

    def y(self, value: float) -> float:
        inside = max(self.bottom, min(value, self.top))
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.top - inside) / (self.top - self.bottom)

    @property
    def slot(self) -> float:
        return (WIDTH - LEFT - RIGHT) / len(self.days)


def frame(
    days: Sequence[date],
    largest: float,
    *,
    label: Format,
    week: tuple[date, date],
    least: float,
    most: float | None = None,
    marks: Sequence[date] = (),
    bottom: float = 0.0,
) -> Frame:
    """Axes whose top is a round number above `largest`, at least `least` and, for shares, at most `most`."""
    reach = max(largest, least)
    step = round_step((reach - bottom) / 4)
    top = bottom + step * max(1, -floor(-(reach - bottom) / step))
    return Frame(days, min(top, most) if most else top, step, label, week, marks, bottom)


def lines(axes: Frame, series: Sequence[Series], *, title: str, told: str, key: str) -> str:
    """Lines with their intervals as bands; a day without a figure leaves a gap, for it is not zero."""
    drawn = [
        "".join(_band(axes, one, run) for one in series for run in _runs(one.points)),
        "".join(_line(axes, one, run) for one in series for run in _runs(one.points)),
        "".join(_dots(axes, one) for one in series),
    ]
    return _svg(axes, "".join(drawn), title=title, told=told, key=key)


def columns(axes: Frame, series: Sequence[Series], *, title: str, told: str, key: str) -> str:
    """Columns stacked in the order of the series."""
    heights: dict[date, float] = {}
    parts: list[str] = []
    width = axes.slot * 0.72
    for one in series:
        for point in one.points:
            base = heights.get(point.day, 0.0)
            heights[point.day] = base + point.value
            top, bottom = axes.y(base + point.value), axes.y(base)
            parts.append(
                f'<rect class="f-{one.look}" x="{axes.x(point.day) - width / 2:.1f}" y="{top:.1f}" '
                f'width="{width:.1f}" height="{max(0.0, bottom - top):.1f}">{_note(point)}</rect>'
            )
    return _svg(axes, "".join(parts), title=title, told=told, key=key)


def spark(values: Sequence[float | None], *, top: float) -> str:
    """A word-sized line of a model's days; the table beside it has the figures, so readers skip it."""
    width, height = 96.0, 22.0
    slot = width / max(1, len(values))
    placed = [
        (slot * (n + 0.5), 2 + (height - 4) * (1 - min(value, top) / top))
        for n, value in enumerate(values)
        if value is not None
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    last = f'<circle cx="{placed[-1][0]:.1f}" cy="{placed[-1][1]:.1f}" r="2"/>' if placed else ""
    return (
        f'<svg class="spark" viewBox="0 0 {width:g} {height:g}" aria-hidden="true">'
        f'<polyline points="{path}"/>{last}</svg>'
    )


def whisker(value: float, low: float, high: float, *, reach: float, look: str) -> str:
    """A difference and its interval around a line at zero, `reach` to either side."""
    left, right, at = (60 + 56 * max(-1.0, min(1.0, end / reach)) for end in (low, high, value))
    return (
        '<svg class="whisker" viewBox="0 0 120 16" aria-hidden="true">'
        '<line class="zero" x1="60" x2="60" y1="0" y2="16"/>'
        f'<line class="s-{look}" x1="{left:.1f}" x2="{right:.1f}" y1="8" y2="8"/>'
        f'<circle class="f-{look}" cx="{at:.1f}" cy="8" r="3.5"/></svg>'
    )


def _svg(axes: Frame, drawn: str, *, title: str, told: str, key: str) -> str:
    # Ids are the page's, so each chart has a key of its own.
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-labelledby="{key}-t {key}-d">'
        f'<title id="{key}-t">{escape(title)}</title><desc id="{key}-d">{escape(told)}</desc>'
        f"{_week(axes)}{_grid(axes)}{_marks(axes)}{drawn}</svg>"
    )


def _week(axes: Frame) -> str:
    left, right = (axes.x(day) for day in axes.week)
    half = axes.slot / 2
    return (
        f'<rect class="week" x="{left - half:.1f}" y="{TOP - 4:g}" width="{right - left + 2 * half:.1f}" '
        f'height="{HEIGHT - TOP - BOTTOM + 4:g}"/>'
    )


def _grid(axes: Frame) -> str:
    parts: list[str] = []
    n_steps = round((axes.top - axes.bottom) / axes.step)
    for n in range(n_steps + 1):
        value = axes.bottom + n * axes.step
        y = axes.y(value)
        parts.append(
            f'<line class="grid" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{LEFT - 5:g}" y="{y + 3.5:.1f}" text-anchor="end">'
            f"{escape(axes.label(value))}</text>"
        )
    for day in axes.days:
        if day.isoweekday() == 1:
            x = axes.x(day) - axes.slot / 2
            parts.append(
                f'<line class="tickmark" x1="{x:.1f}" x2="{x:.1f}" y1="{HEIGHT - BOTTOM:g}" '
                f'y2="{HEIGHT - BOTTOM + 4:g}"/><text class="tick" x="{x + 2:.1f}" y="{HEIGHT - 8:g}">'
                f"{day.day} {day:%b}</text>"
            )
    return "".join(parts)


def _marks(axes: Frame) -> str:
    return "".join(
        f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4:g}" y2="{HEIGHT - BOTTOM:g}"/>'
        for x in sorted({axes.x(day) - axes.slot / 2 for day in axes.marks if day >= axes.days[0]})
    )


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """The points cut where a day is missing."""
    runs: list[list[Point]] = [[point] for point in points[:1]]
    for before, point in pairwise(points):
        if (point.day - before.day).days == 1:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _band(axes: Frame, series: Series, run: Sequence[Point]) -> str:
    known = [(axes.x(p.day), p.low, p.high) for p in run if p.low is not None and p.high is not None]
    if not known:
        return ""
    if len(known) == 1:
        # One day alone has no width: its interval is a bar.
        [(x, low, high)] = known
        ends = f'y1="{axes.y(low):.1f}" y2="{axes.y(high):.1f}"'
        return f'<line class="s-{series.look} bar" x1="{x:.1f}" x2="{x:.1f}" {ends}/>'
    upper = [f"{x:.1f},{axes.y(high):.1f}" for x, _, high in known]
    lower = [f"{x:.1f},{axes.y(low):.1f}" for x, low, _ in reversed(known)]
    return f'<polygon class="b-{series.look}" points="{" ".join(upper + lower)}"/>'


def _line(axes: Frame, series: Series, run: Sequence[Point]) -> str:
    path = " ".join(f"{axes.x(point.day):.1f},{axes.y(point.value):.1f}" for point in run)
    dashed = " dashed" if series.is_dashed else ""
    return f'<polyline class="s-{series.look}{dashed}" points="{path}"/>' if len(run) > 1 else ""


def _dots(axes: Frame, series: Series) -> str:
    return "".join(
        f'<circle class="f-{series.look}" cx="{axes.x(p.day):.1f}" cy="{axes.y(p.value):.1f}" r="2.6">'
        f"{_note(p)}</circle>"
        for p in series.points
    )


def _note(point: Point) -> str:
    return f"<title>{escape(point.note)}</title>" if point.note else ""


def round_step(rough: float) -> float:
    """1, 2, 2.5 or 5 times a power of ten, at least `rough`."""
    if not (isfinite(rough) and rough > 0):
        return 1.0
    power = 10.0 ** floor(log10(rough))
    return next(scale * power for scale in (1.0, 2.0, 2.5, 5.0, 10.0) if scale * power >= rough * 0.999999)
