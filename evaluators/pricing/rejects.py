"""What reading a price file gives, and the parsing its shapes share."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from evaluators.pricing.rows import PriceRow

LONGEST_NAME: Final = 300
"""Characters; Postgres indexes no row beyond some kilobytes, and no provider comes near."""


class PriceFileError(Exception):
    """A file that is no price file at all; the message is one line."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A line (or YAML item) that gave no price, the model it was about, and why."""

    line: int
    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class PriceFile:
    """The rows of a price file and what was left out of it."""

    rows: list[PriceRow]
    rejects: list[Reject]


def parse_name(text: str, *, what: str) -> str:
    """The name of a model, provider or source; ValueError for one that Postgres could not store or index."""
    if text.isprintable() and len(text) <= LONGEST_NAME:
        return text
    shown = text[:20].encode("unicode_escape").decode()
    raise ValueError(f"{what} '{shown}' is no name: unprintable, or over {LONGEST_NAME} characters")


def parse_price(text: str | None) -> Decimal:
    """A decimal number of any sign and size; ValueError for text that is none."""
    try:
        return Decimal(text or "")
    except InvalidOperation:
        raise ValueError(f"price {text!r} is not a number") from None


def parse_time(text: str | None) -> datetime:
    """An ISO time with an offset, or a day, which is its UTC midnight; ValueError for a naive time."""
    try:
        if text and len(text) == len("2026-01-01"):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        time = datetime.fromisoformat(text or "")
    except ValueError:
        raise ValueError(f"{text!r} is not a day or time such as 2026-01-31") from None
    if time.tzinfo is None:
        raise ValueError(f"{text!r} is a naive time")
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is no year from 1 to 9999 in UTC") from None
