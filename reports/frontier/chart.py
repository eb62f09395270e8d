"""The cost–quality frontier as SVG: models with their intervals, the frontier as a line, the beaten pale."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import floor, log10

from evaluators.statistics.estimate import Estimate
from reports.frontier.figures import Frontier, ModelPoint
from reports.weekly.style import LIGHT
from reports.weekly.svg import round_step
from reports.weekly.wording import plain

WIDTH, HEIGHT = 520.0, 350.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 34.0, 16.0, 46.0
LOOKS = ("c0", "c1", "c2", "c3", "c4", "c5", "c6")
WIDEST = 640
_LINE_HEIGHT = 14.0
_PER_LETTER = 6.4

STYLE = """
.fr text { fill: var(--ink); paint-order: stroke; stroke: var(--paper); stroke-width: 3px;
  font: 12.5px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK KR", sans-serif; }
.fr .tick, .fr .axis { fill: var(--dim); } .fr .grid { stroke: var(--line); stroke-width: 1; }
.fr .front { fill: none; stroke: var(--dim); stroke-width: 1.5; stroke-dasharray: 5 4; }
.fr .ends { stroke-width: 1.6; } .fr .dot { stroke-width: 2; } .fr .beaten { opacity: .55; }
.fr .beaten .dot { fill: var(--paper); }
"""


@dataclass(frozen=True, slots=True)
class _Axis:
    """From values to units of the picture."""

    low: float
    high: float
    step: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + max(0.0, min(1.0, share)) * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        n_steps = round((self.high - self.low) / self.step)
        return [self.low + self.step * n for n in range(n_steps + 1)]


def frontier_svg(frontier: Frontier, *, is_alone: bool = True) -> str:
    """The picture; `is_alone` brings its colours along, for a file of its own."""
    shown = [point for point in frontier.points if point.is_shown]
    title = f"Cost and quality of {len(shown)} models by {plain(frontier.rubric)}"
    parts = [f"<title>{escape(title)}</title>", f"<desc>{escape(_told(shown))}</desc>"]
    if is_alone:
        parts.append(f"<style>svg {{{LIGHT} background: var(--paper); }}\n{_colours()}{STYLE}</style>")
    if shown:
        across, up = _across(shown), _up(shown)
        parts += [_grid(across, up), _line(shown, across, up)]
        parts += [_mark(point, across, up, look=_look(frontier, point)) for point in reversed(shown)]
        parts += _names(shown, across, up)
    else:
        parts.append(
            f'<text x="{WIDTH / 2:g}" y="{HEIGHT / 2:g}" text-anchor="middle">nothing measured</text>'
        )
    return (
        f'<svg class="fr" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" '
        f'role="img" width="100%" style="max-width: {WIDEST}px">{"".join(parts)}</svg>'
    )


def efficient(points: Sequence[ModelPoint]) -> list[ModelPoint]:
    """The points that no other dominates, the cheapest first."""
    return sorted(
        (point for point in points if point.is_shown and not point.dominated_by),
        key=lambda point: (point.usd_per_1k.value, point.grade.value),
    )


def usd(amount: float) -> str:
    """`$0`, `$0.0123`, `$1.50`: dollars of 1,000 calls, cents of which matter and parts of cents may."""
    if amount == 0:
        return "$0"
    places = 2 if abs(amount) >= 0.1 else min(12, 2 - floor(log10(abs(amount))))
    return f"${amount:,.{places}f}"


def _colours() -> str:
    return "".join(
        f".f-{look} {{ fill: var(--{look}); }} .s-{look} {{ stroke: var(--{look}); }}\n" for look in LOOKS
    )


def _look(frontier: Frontier, point: ModelPoint) -> str:
    return LOOKS[list(frontier.points).index(point) % len(LOOKS)]


def _across(points: Sequence[ModelPoint]) -> _Axis:
    """Cost from 0: twice as far is twice as dear."""
    reach = max(_most(point.usd_per_1k) for point in points) or 1.0
    step = round_step(reach / 5)
    return _Axis(0.0, step * _steps(reach / step), step, LEFT, WIDTH - RIGHT)


def _up(points: Sequence[ModelPoint]) -> _Axis:
    """Grades, cut to where there are any: their intervals must be seen."""
    low = max(1.0, min(_least(point.grade) for point in points))
    high = min(5.0, max(_most(point.grade) for point in points))
    step = round_step(max(high - low, 0.2) / 4)
    bottom, top = int(low / step) * step, step * _steps(high / step)
    return _Axis(bottom, max(top, bottom + step), step, HEIGHT - BOTTOM, TOP)


def _steps(count: float) -> int:
    return max(1, -int(-(count - 1e-9) // 1))


def _most(estimate: Estimate) -> float:
    return estimate.high if estimate.has_interval else estimate.value


def _least(estimate: Estimate) -> float:
    return estimate.low if estimate.has_interval else estimate.value


def _grid(across: _Axis, up: _Axis) -> str:
    rows = "".join(
        f'<line class="grid" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{up.at(tick):.1f}" '
        f'y2="{up.at(tick):.1f}"/><text class="tick" x="{LEFT - 6:g}" y="{up.at(tick) + 4:.1f}" '
        f'text-anchor="end">{tick:g}</text>'
        for tick in (round(value, 6) for value in up.ticks)
    )
    columns = "".join(
        f'<text class="tick" x="{across.at(tick):.1f}" y="{HEIGHT - BOTTOM + 17:g}" '
        f'text-anchor="middle">{escape(usd(tick))}</text>'
        for tick in (round(value, 9) for value in across.ticks)
    )
    return (
        f"{rows}{columns}"
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{HEIGHT - 8:g}" text-anchor="middle">'
        f"USD per 1,000 calls</text>"
        f'<text class="axis" transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2:g}) rotate(-90)" '
        f'text-anchor="middle">mean grade</text>'
    )


def _line(points: Sequence[ModelPoint], across: _Axis, up: _Axis) -> str:
    """What is to be had for a price: a step up at each efficient model."""
    found = efficient(points)
    if len(found) < 2:
        return ""
    path = [f"{across.at(found[0].usd_per_1k.value):.1f},{up.at(found[0].grade.value):.1f}"]
    for before, point in pairwise(found):
        x = across.at(point.usd_per_1k.value)
        path += [f"{x:.1f},{up.at(before.grade.value):.1f}", f"{x:.1f},{up.at(point.grade.value):.1f}"]
    return f'<polyline class="front" points="{" ".join(path)}"/>'


def _mark(point: ModelPoint, across: _Axis, up: _Axis, *, look: str) -> str:
    """A dot with the intervals of both; the incumbent is a square, a dominated model hollow."""
    x, y = across.at(point.usd_per_1k.value), up.at(point.grade.value)
    bars = ""
    if point.grade.has_interval:
        ends = f'y1="{up.at(point.grade.low):.1f}" y2="{up.at(point.grade.high):.1f}"'
        bars += f'<line class="ends s-{look}" x1="{x:.1f}" x2="{x:.1f}" {ends}/>'
    if point.usd_per_1k.has_interval:
        ends = f'x1="{across.at(point.usd_per_1k.low):.1f}" x2="{across.at(point.usd_per_1k.high):.1f}"'
        bars += f'<line class="ends s-{look}" y1="{y:.1f}" y2="{y:.1f}" {ends}/>'
    place = f'class="dot s-{look} f-{look}"'
    dot = (
        f'<rect {place} x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9"/>'
        if point.is_incumbent
        else f'<circle {place} cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    )
    beaten = ' class="beaten"' if point.dominated_by else ""
    return f"<g{beaten}><title>{escape(_words(point))}</title>{bars}{dot}</g>"


def _names(points: Sequence[ModelPoint], across: _Axis, up: _Axis) -> list[str]:
    """Names beside their dots, from the top down, each moved below the one that it would cover."""
    drawn: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda each: (-each.grade.value, each.usd_per_1k.value)):
        name = plain(point.model, most=40) + (" (now)" if point.is_incumbent else "")
        x, y = across.at(point.usd_per_1k.value), up.at(point.grade.value) - 9
        width = _PER_LETTER * len(name)
        is_left = x + 9 + width > WIDTH - RIGHT
        first = x - 9 - width if is_left else x + 9
        while any(
            abs(y - other) < _LINE_HEIGHT and first < end and left < first + width
            for other, left, end in taken
        ):
            y += _LINE_HEIGHT
        taken.append((y, first, first + width))
        anchor, at = ("end", x - 9) if is_left else ("start", x + 9)
        drawn.append(f'<text x="{at:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(name)}</text>')
    return drawn


def _words(point: ModelPoint) -> str:
    grade, cost = point.grade, point.usd_per_1k
    ends = f" ({grade.low:.2f}–{grade.high:.2f})" if grade.has_interval else ""
    dear = f" ({usd(cost.low)}–{usd(cost.high)})" if cost.has_interval else ""
    return (
        f"{plain(point.model)}: grade {grade.value:.2f}{ends}, {usd(cost.value)}{dear} per 1,000 calls; "
        f"{plain(point.verdict)}"
    )


def _told(points: Sequence[ModelPoint]) -> str:
    return "; ".join(map(_words, points)) or "nothing was measured"
