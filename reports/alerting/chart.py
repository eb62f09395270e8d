"""The chart of an alert as a PNG: its points, its threshold, what it was before.

Every text in it is a number or a time of ours, so the one Latin font that Pillow brings along is enough.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = FreeTypeFont | ImageFont

Step = tuple[datetime, float | None]

WIDTH, HEIGHT = 1104, 400
"""Twice what it is shown at, so that lines are sharp on every screen."""
LEFT, RIGHT, TOP, BOTTOM = 132, 28, 28, 56
MOST_POINTS = 500
_INK, _SOFT, _GRID, _PAPER = "#101828", "#667085", "#eaecf0", "#ffffff"
_LINE, _THRESHOLD, _BASELINE = "#175cd3", "#d92d20", "#98a2b3"
_SMOOTH = 2


@dataclass(frozen=True, slots=True)
class ChartData:
    """What is drawn; a step of None is a gap. `figure` writes a value with its unit."""

    steps: Sequence[Step]
    figure: Callable[[float], str]
    threshold: float | None = None
    baseline: float | None = None


@dataclass(frozen=True, slots=True)
class _Scale:
    """From times and values to pixels of the large canvas."""

    first: float
    last: float
    low: float
    high: float

    def x(self, at: datetime) -> float:
        share = (at.timestamp() - self.first) / ((self.last - self.first) or 1.0)
        return _SMOOTH * (LEFT + share * (WIDTH - LEFT - RIGHT))

    def y(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return _SMOOTH * (HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM))


def chart_png(data: ChartData) -> bytes | None:
    """The PNG; None where fewer than two values are known. Raises ModuleNotFoundError without Pillow."""
    steps = data.steps[-MOST_POINTS:]
    known = [value for _, value in steps if value is not None]
    if len(known) < 2:
        return None
    # 20 ms to import, and no reader of the package needs it at load.
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH * _SMOOTH, HEIGHT * _SMOOTH), _PAPER)
    draw, scale = ImageDraw.Draw(image), _scale(steps, known, data)
    font = ImageFont.load_default(20 * _SMOOTH)
    _grid(draw, scale, steps, font=font, figure=data.figure)
    for level, colour, name in (
        (data.baseline, _BASELINE, "baseline"),
        (data.threshold, _THRESHOLD, "threshold"),
    ):
        if level is not None:
            _level(draw, scale, level, colour=colour, name=name, font=font)
    _curve(draw, scale, steps)
    out = BytesIO()
    image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(out, "PNG", optimize=True)
    return out.getvalue()


def _scale(steps: Sequence[Step], known: list[float], data: ChartData) -> _Scale:
    """From 0 where that does not flatten the curve, else from just below the lowest."""
    levels = [*known, *(one for one in (data.threshold, data.baseline) if one is not None)]
    low, high = min(levels), max(levels)
    if 0 <= low < 0.6 * high:
        low = 0.0
    room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    bottom = low if low == 0.0 else low - room
    return _Scale(steps[0][0].timestamp(), steps[-1][0].timestamp(), bottom, high + room)


def _grid(
    draw: "ImageDraw",
    scale: _Scale,
    steps: Sequence[Step],
    *,
    font: "Font",
    figure: Callable[[float], str],
) -> None:
    for share in (0.0, 0.5, 1.0):
        value = scale.low + share * (scale.high - scale.low)
        y = scale.y(value)
        draw.line([(_SMOOTH * LEFT, y), (_SMOOTH * (WIDTH - RIGHT), y)], fill=_GRID, width=2 * _SMOOTH)
        draw.text((_SMOOTH * (LEFT - 12), y), figure(value), fill=_SOFT, font=font, anchor="rm")
    for at, anchor in ((steps[0][0], "ls"), (steps[-1][0], "rs")):
        told = f"{at.day} {at:%b %H:%M}" + (" UTC" if anchor == "rs" else "")
        draw.text((scale.x(at), _SMOOTH * (HEIGHT - 16)), told, fill=_SOFT, font=font, anchor=anchor)


def _level(draw: "ImageDraw", scale: _Scale, level: float, *, colour: str, name: str, font: "Font") -> None:
    """A dashed line with its name above its left end."""
    y, x, end = scale.y(level), _SMOOTH * LEFT, _SMOOTH * (WIDTH - RIGHT)
    while x < end:
        draw.line([(x, y), (min(x + 14 * _SMOOTH, end), y)], fill=colour, width=3 * _SMOOTH)
        x += 24 * _SMOOTH
    draw.text((_SMOOTH * (LEFT + 8), y - 6 * _SMOOTH), name, fill=colour, font=font, anchor="ls")


def _curve(draw: "ImageDraw", scale: _Scale, steps: Sequence[Step]) -> None:
    """The values as a line that breaks where nothing was measured; a dot on the newest, and on lone ones."""
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in steps:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((scale.x(at), scale.y(value)))
    runs = [run for run in runs if run]
    for run in runs:
        if len(run) > 1:
            draw.line(run, fill=_LINE, width=5 * _SMOOTH, joint="curve")
        else:
            _dot(draw, run[0], radius=4, colour=_LINE)
    _dot(draw, runs[-1][-1], radius=8, colour=_INK)


def _dot(draw: "ImageDraw", at: tuple[float, float], *, radius: int, colour: str) -> None:
    (x, y), size = at, radius * _SMOOTH
    draw.ellipse([x - size, y - size, x + size, y + size], fill=colour)
