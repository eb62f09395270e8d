"""Figures as people read them; text of others is escaped and kept from turning the line around."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from html import escape
from math import isnan
from unicodedata import category

from evaluators.statistics.estimate import Estimate
from reports.weekly.figures import Share

NONE = "–"
LONGEST_NAME = 120
LONGEST_MESSAGE = 500
# Marks, embeddings, overrides and isolates of direction; joiners stay, of which emoji are made.
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def name(text: str) -> str:
    """A model's or prompt's name as HTML: escaped, isolated (Arabic turns a line around), cut at 120."""
    return f"<bdi>{escape(plain(text))}</bdi>"


def safe(text: str) -> str:
    """Another word of others as HTML: escaped and cut."""
    return escape(plain(text))


def plain(text: str, *, most: int = LONGEST_NAME) -> str:
    """The same as plain text, cut at `most` characters."""
    return visible(text if len(text) <= most else text[:most] + "…")


def message(text: str) -> str:
    """An alert's message on one line, cut at 500."""
    return plain(text, most=LONGEST_MESSAGE)


def visible(text: str) -> str:
    """The text on one line, with control characters and those that turn the line around shown as `�`."""
    return "".join("�" if _is_control(sign) else sign for sign in " ".join(text.split()))


def _is_control(sign: str) -> bool:
    return category(sign) in ("Cc", "Cs") or sign in TURNING


def signed(value: float, *, digits: int) -> str:
    """`+2.1`, `−0.4`: a minus as wide as the plus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def percent(value: float, *, digits: int = 1) -> str:
    """`4.1 %`; NaN is a dash."""
    if isnan(value):
        return NONE
    return f"{100 * value:.{2 if 0 < abs(value) < 0.001 else digits}f} %"


def points(estimate: Estimate) -> str:
    """A difference of shares with its interval, in percentage points: `+2.1 points (+0.9 to +3.2)`."""
    value, low, high = (
        signed(100 * part, digits=1) for part in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} points ({low} to {high})"


def interval(estimate: Estimate) -> str:
    """`3.2–5.2 %`, or why there is none."""
    if not estimate.has_interval:
        return "no interval"
    return f"{100 * estimate.low:.1f}–{100 * estimate.high:.1f} %"


def grade(mean: Estimate) -> str:
    """`4.12`; a dash where nothing was graded."""
    return f"{mean.value:.2f}" if mean.is_known else NONE


def grades(mean: Estimate) -> str:
    """The interval of a mean grade, `4.05–4.19`, or why there is none."""
    return f"{mean.low:.2f}–{mean.high:.2f}" if mean.has_interval else "no interval"


def rate(share: Share) -> str:
    """`4.1 % (95 % 3.2–5.2 %, n 1,204)`."""
    if not share.n:
        return "nothing scored"
    found = share.estimate
    return f"{percent(found.value)} (95 % {interval(found)}, n {share.n:,})"


def rule_sets(versions: Sequence[str]) -> str:
    """`rule set 4`, `rule sets 3, 4`."""
    if not versions:
        return "no rule set"
    return f"rule set{'' if len(versions) == 1 else 's'} {', '.join(versions)}"


def usd(amount: Decimal | None) -> str:
    """`$1,204.10`; below ten dollars four digits, since calls cost parts of a cent."""
    if amount is None:
        return NONE
    return f"${amount:,.{2 if abs(amount) >= 10 or amount == 0 else 4}f}"


def seconds(milliseconds: float | None) -> str:
    """`840 ms`, `1.24 s`."""
    if milliseconds is None:
        return NONE
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.{2 if milliseconds < 10_000 else 1}f} s"


def change(now: float, before: float) -> str:
    """`+12 %` of a total against another; a dash where there is nothing to compare with."""
    return NONE if before <= 0 else f"{signed(100 * (now / before - 1), digits=0)} %"


def day(of: date) -> str:
    """`Mon 9 Nov`."""
    return f"{of:%a} {of.day} {of:%b}"


def moment(at: datetime) -> str:
    """`Mon 9 Nov 14:05`, of an aware time in UTC."""
    return f"{day(at.date())} {at:%H:%M}"


def duration(of: timedelta) -> str:
    """`3 h 20 min`, `2 days 4 h`."""
    minutes = int(of.total_seconds() // 60)
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} day{'' if days == 1 else 's'}{f' {hours} h' if hours else ''}"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
