"""What every form of invoice is read into, and the checks that its cells share."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from evaluators.invoices.pages import Pages

TOKENS: Final = "tokens"
STANDARD: Final = "standard"
MOST_TOKENS: Final = 10**15
MOST_USD: Final = Decimal(10) ** 9
LONGEST_NAME: Final = 300

Kind = Literal["usage", "cost", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """One provider, day, model and tier as billed; token buckets are exclusive, `output` holds reasoning.

    `day` is a day of the invoice's time zone. `item` is "tokens", or the name of a fee or credit. A line
    without `amount_usd` is of a usage report, one without any count of a cost report.
    """

    line: int
    provider: str
    day: date
    item: str = TOKENS
    model: str | None = None
    key_id: str | None = None
    project: str | None = None
    service_tier: str = STANDARD
    n_requests: int | None = None
    input_uncached: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    input_audio: int | None = None
    input_image: int | None = None
    output: int | None = None
    output_audio: int | None = None
    output_image: int | None = None
    amount_usd: Decimal | None = None

    @property
    def counts(self) -> tuple[int | None, ...]:
        """Requests and the nine buckets, in the order of the columns."""
        return (
            self.n_requests,
            self.input_uncached,
            self.cache_read,
            self.cache_write,
            self.cache_write_1h,
            self.input_audio,
            self.input_image,
            self.output,
            self.output_audio,
            self.output_image,
        )

    @property
    def kind(self) -> Kind:
        if self.amount_usd is None:
            return "usage"
        return "cost" if all(count is None for count in self.counts) else "both"


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that is none, and why."""

    line: int
    reason: str


@dataclass(slots=True)
class Reading:
    """What a file holds: lines, rejects, rows that are about something else, and what to tell the reader."""

    format: str
    time_zone: str = "UTC"
    lines: list[InvoiceLine] = field(default_factory=list[InvoiceLine])
    rejects: list[Reject] = field(default_factory=list[Reject])
    n_other: int = 0
    notes: list[str] = field(default_factory=list[str])
    pages: Pages = field(default_factory=Pages)


class InvoiceFileError(Exception):
    """A file that is no invoice at all; the message is one line."""


def count(value: object, *, what: str) -> int | None:
    """A whole number of tokens or requests, None where the cell is blank; ValueError for any other."""
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number != number.to_integral_value() or not 0 <= number <= MOST_TOKENS:
        raise ValueError(f"{what} {_shown(value)} is not a count")
    return int(number)


def amount(value: object, *, what: str = "amount") -> Decimal | None:
    """An amount of money, None where the cell is blank; ValueError for what is no finite number."""
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) > MOST_USD:
        raise ValueError(f"{what} {_shown(value)} is not an amount of money")
    return number


def name(value: object, *, what: str) -> str | None:
    """A name that Postgres can store and index, None where the cell is blank."""
    text = "" if value is None else str(value).strip()
    if not text.isprintable() or len(text) > LONGEST_NAME:
        raise ValueError(f"{what} {_shown(value)} is no name")
    return text or None


def day_of(value: object, *, time_zone: str, what: str = "day") -> date:
    """The day, in the time zone, of a day, an ISO time, or seconds since 1970; a naive time is UTC."""
    try:
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            at = datetime.fromtimestamp(int(value), UTC)
        else:
            text = str(value or "").strip().removesuffix(" UTC")
            if len(text) == len("2026-01-31"):
                return date.fromisoformat(text)
            at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return at.astimezone(ZoneInfo(time_zone)).date()
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{what} {_shown(value)} is not a day") from None


def tier(value: object) -> str:
    """The service tier as the price book names it: `default` and nothing are the standard one."""
    text = (name(value, what="service_tier") or STANDARD).lower()
    return STANDARD if text in ("default", "auto", "on_demand") else text


def checked(line: InvoiceLine) -> InvoiceLine:
    """The line, or ValueError where it says nothing, or where tokens have a negative price."""
    if line.amount_usd is None and all(each is None for each in line.counts):
        raise ValueError("neither an amount nor a count")
    if line.item == TOKENS and line.amount_usd is not None and line.amount_usd < 0:
        raise ValueError("a negative amount for tokens; name a credit as its item")
    return line


def mapping(value: object, *, what: str) -> dict[str, Any]:
    """A JSON object; ValueError for anything else."""
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not an object")  # noqa: TRY004  readers turn it into a reject
    return value


def _shown(value: object) -> str:
    return repr(str(value)[:30])
