"""What every channel says of an alert, in the same words: headline, figures, since when, a line of bars."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from orchestration.alerts.delivery.text import one_line
from orchestration.alerts.message import AlertMessage, Point
from reports.alerting.figures import figure, span

TITLES = {"firing": "Firing", "resolved": "Resolved", "changed": "Changed", "failed": "Failed"}
MARKS = {"critical": "🔴", "warning": "🟠", "info": "🔵"}
COLOURS = {"critical": 0xD92D20, "warning": 0xDC6803, "info": 0x1570EF}
GOOD_MARK, GOOD_COLOUR = "🟢", 0x079455
SEVERITIES = ("critical", "warning", "info")

REPEAT = "Possibly a repeat: an earlier try got no clear answer."
TEST = "This is a test. Nothing is wrong."
DIGEST = "These waited together and come as one message; none is left out."

LONGEST_NAME, LONGEST_VALUE, LONGEST_MESSAGE = 60, 180, 1_500
MOST_FACTS = 10
_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 48


def mark(message: AlertMessage) -> str:
    return GOOD_MARK if message.transition == "resolved" else MARKS[message.severity]


def colour(messages: Sequence[AlertMessage]) -> int:
    """0xRRGGBB: the worst severity that is not over; green where all is."""
    open_ones = {one.severity for one in messages if one.transition != "resolved"}
    return next((COLOURS[one] for one in SEVERITIES if one in open_ones), GOOD_COLOUR)


def headline(message: AlertMessage, *, is_test: bool = False) -> str:
    """`🔴 Firing: failing_share · gpt-4o`, with the group's text as it is given, in one line."""
    test = "TEST, " if is_test else ""
    subject = f"{message.rule} · {message.group_key}"
    return f"{mark(message)} {test}{TITLES[message.transition]}: {one_line(subject, most=300)}"


def digest_headline(messages: Sequence[AlertMessage]) -> str:
    """`3 alerts: 2 firing, 1 resolved`."""
    counts = {title: sum(one.transition == title for one in messages) for title in TITLES}
    told = ", ".join(f"{n} {title}" for title, n in counts.items() if n)
    return f"{len(messages)} alerts: {told}"


def body(message: AlertMessage) -> str:
    """What is the matter, in a line."""
    return one_line(message.message or message.summary, most=LONGEST_MESSAGE)


def line(message: AlertMessage, *, is_test: bool = False) -> str:
    """Headline and body in one line, the group named once."""
    said = body(message).removeprefix(f"{one_line(message.group_key, most=300)}: ")
    return f"{headline(message, is_test=is_test)}: {said}"


def facts(message: AlertMessage) -> list[tuple[str, str]]:
    """Names and values, at most ten, in the order in which one asks: how bad, since when, who."""
    figures = (("Value", message.value), ("Threshold", message.threshold), ("Baseline", message.baseline))
    found = [(name, figure(value, message.unit)) for name, value in figures if value is not None]
    if message.n is not None:
        found.append(("Based on", f"{message.n:,} calls"))
    found.append(("Since", since(message)))
    found += [("Severity", message.severity), ("Owner", message.owner or "nobody")]
    dimensions = {**(message.group if len(message.group) > 1 else {}), **message.labels}
    found += list(dimensions.items())
    return [
        (one_line(name, most=LONGEST_NAME), one_line(value, most=LONGEST_VALUE) or "(empty)")
        for name, value in found[:MOST_FACTS]
    ]


def since(message: AlertMessage) -> str:
    """When the breach began (UTC), and how long before the message that was."""
    started = f"{message.since:%Y-%m-%d %H:%M} UTC"
    lasted = message.happened_at - message.since
    return started if lasted < timedelta(minutes=1) else f"{started} ({span(lasted)})"


def sparkline(points: Sequence[Point]) -> str | None:
    """The newest 48 points as bars, a gap where nothing was measured; None without two values."""
    values = [point.value for point in points[-_MOST_BARS:]]
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    low, high = min(known), max(known)
    steps = (high - low) or 1.0
    return "".join(
        " " if value is None else _BARS[round((value - low) / steps * (len(_BARS) - 1))] for value in values
    )


def range_words(message: AlertMessage) -> str:
    """What the bars span: `1.2% to 34.0%, 21 Nov 10:00 to 22 Nov 10:00 UTC`."""
    points = message.points[-_MOST_BARS:]
    known = [point.value for point in points if point.value is not None]
    low, high = figure(min(known), message.unit), figure(max(known), message.unit)
    return f"{low} to {high}, {_moment(points[0].at)} to {_moment(points[-1].at)} UTC"


def identity(message: AlertMessage) -> str:
    return f"event {message.event_id} · fingerprint {one_line(message.fingerprint, most=64)}"


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%b %H:%M}"
