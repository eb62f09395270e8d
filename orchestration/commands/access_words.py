"""What people say to `lqo keys`, `limits` and `budgets`, read strictly."""

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from orchestration.commands.errors import UserError

_SPAN = re.compile(r"(\d{1,6})\s*([mhdw])", re.ASCII)
_UNIT = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MOST_USD = Decimal(10) ** 12
_LONGEST = 1024


def span(text: str, *, option: str) -> timedelta:
    """`30m`, `12h`, `90d`, `4w` or `0`."""
    if text.strip() == "0":
        return timedelta()
    if not (given := _SPAN.fullmatch(text.strip())):
        raise UserError(f"{option} must be such as 30m, 12h, 90d or 4w, not {text!r}", code=2)
    return timedelta(**{_UNIT[given[2]]: int(given[1])})


def moment(text: str, *, option: str) -> datetime:
    """A span from now, or an ISO day or time (UTC unless it says otherwise), which must be to come."""
    now = datetime.now(UTC)
    if _SPAN.fullmatch(text.strip()):
        at = now + span(text, option=option)
    else:
        try:
            at = datetime.fromisoformat(text.strip())
        except ValueError:
            raise UserError(
                f"{option} must be such as 90d, 2027-01-31 or 2027-01-31T12:00, not {text!r}", code=2
            ) from None
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    if not now < at < datetime(9000, 1, 1, tzinfo=UTC):
        raise UserError(f"{option} must lie in the future (and before the year 9000), not {text!r}", code=2)
    return at


def name(text: str, *, option: str) -> str:
    """One line of printable text, as it stands."""
    if not text.strip() or len(text) > _LONGEST or not text.isprintable():
        raise UserError(f"{option} must be 1 to {_LONGEST} printable characters", code=2)
    return text


def names(text: str, *, option: str) -> list[str]:
    """Names between commas, each once."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise UserError(f"{option} names nothing", code=2)
    return [name(each, option=option) for each in dict.fromkeys(found)]


def usd(text: str) -> Decimal:
    """A finite amount with at most six decimal places."""
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("NaN")
    exponent = amount.as_tuple().exponent
    is_fine = isinstance(exponent, int) and exponent >= -6
    if not amount.is_finite() or not 0 <= amount < _MOST_USD or not is_fine:
        raise UserError(
            f"an amount must be such as 5 or 12.50 (at most 6 decimal places), not {text!r}", code=2
        )
    return amount


def address(text: str) -> str:
    """An IP address, of IPv6 also its /64 as it is listed; `*` is every one."""
    bare = text.strip().removesuffix("/64") if ":" in text else text.strip()
    try:
        return text if text == "*" else str(ipaddress.ip_address(bare))
    except ValueError:
        raise UserError(f"{text!r} is no IP address", code=2) from None
