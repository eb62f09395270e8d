"""Rows of recorded scores as files hold them: JSONL or CSV, parsed at the edge, bad ones with a reason."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from uuid import UUID

import msgspec

from ingest.importers.lines import Line
from ingest.landing.text import is_holdable, repair
from ingest.uuid7 import uuid7_time

Form = Literal["jsonl", "csv"]

FIELDS = ("call_id", "external_id", "value", "label", "explanation", "unscored_reason", "at")
MOST_CHARACTERS = 20_000
# More digits than any judge has; a column of `numeric` would take 131,072 of them.
MOST_DIGITS = 30


@dataclass(frozen=True, slots=True)
class RecordedScore:
    """One score: of the call with this id, which may be ours (`call_id`) or a foreign one (`external_id`).

    Exactly one of `value` and `unscored_reason` is None.
    """

    line: int
    call_id: UUID | None
    external_id: str
    value: Decimal | None
    label: str | None
    explanation: str | None
    unscored_reason: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that is no score, and why."""

    line: int
    reason: str


def read_rows(lines: Iterable[Line], *, form: Form) -> Iterator[RecordedScore | BadRow]:
    """The rows of a file in order; blank lines are none. Raises ValueError for a CSV without ids."""
    return _read_csv(lines) if form == "csv" else _read_jsonl(lines)


def parse_row(given: Mapping[str, Any], *, line: int) -> RecordedScore | BadRow:
    """One row by field name; names that are none of FIELDS are passed over."""
    try:
        call_id, external_id = _call(given)
        value = _value(given.get("value"))
        reason = _text(given, "unscored_reason")
        if (value is None) == (reason is None):
            raise ValueError(
                "neither value nor unscored_reason" if value is None else "a value and unscored_reason"
            )
        return RecordedScore(
            line,
            call_id,
            external_id,
            value,
            _text(given, "label"),
            _text(given, "explanation"),
            reason,
            _moment(given.get("at")),
        )
    except (TypeError, ValueError) as error:
        return BadRow(line, str(error))


def _read_jsonl(lines: Iterable[Line]) -> Iterator[RecordedScore | BadRow]:
    for line in lines:
        if not line.data.strip():
            continue
        if not line.is_whole:
            yield BadRow(line.number, "the line is too long")
            continue
        try:
            given = msgspec.json.decode(line.data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            yield BadRow(line.number, "no JSON")
            continue
        yield (
            parse_row(given, line=line.number)
            if isinstance(given, dict)
            else BadRow(line.number, "no JSON object")
        )


def _read_csv(lines: Iterable[Line]) -> Iterator[RecordedScore | BadRow]:
    # A quoted field may hold line breaks, so the reader, not the line, says where a row ends.
    reader = csv.reader(line.data.decode("utf-8-sig", "replace") + "\n" for line in lines)
    header: Sequence[str] | None = next(reader, None)
    if header is None:
        return
    names = [name.strip() for name in header]
    if not {"call_id", "external_id"} & set(names):
        raise ValueError(f"the first line names no call_id or external_id: {', '.join(names)[:200]}")
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield BadRow(reader.line_num, f"no CSV: {error}")
            continue
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            yield BadRow(reader.line_num, f"{len(cells)} fields, not {len(names)}")
            continue
        filled = {name: cell for name, cell in zip(names, cells, strict=True) if cell != ""}
        yield parse_row(filled, line=reader.line_num)


def _call(given: Mapping[str, Any]) -> tuple[UUID | None, str]:
    """A v7 that may be ours, and the id as a foreign one, as an import reads them."""
    text, external = given.get("call_id"), given.get("external_id")
    for name, value in (("call_id", text), ("external_id", external)):
        if value is not None and not isinstance(value, str | int):
            raise TypeError(f"{name} is no text")
    if text is not None and str(text).strip():
        return _uuid7(str(text).strip()), _held(str(text))
    if external is None or not str(external).strip():
        raise ValueError("neither call_id nor external_id")
    return None, _held(str(external))


def _uuid7(text: str) -> UUID | None:
    if len(text) not in (32, 36):
        return None
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if uuid7_time(value) is not None else None


def _value(given: object) -> Decimal | None:
    if given is None or (isinstance(given, str) and not given.strip()):
        return None
    if isinstance(given, bool):
        return Decimal(int(given))
    if not isinstance(given, int | float | str):
        raise TypeError("value is no number")
    try:
        value = Decimal(str(given).strip())
    except (InvalidOperation, ValueError):
        raise ValueError(f"value is no number: {str(given)[:40]}") from None
    # Exponents count as digits: 1e999999 is short to write.
    if (
        not value.is_finite()
        or len(value.as_tuple().digits) > MOST_DIGITS
        or abs(value.adjusted()) > MOST_DIGITS
    ):
        raise ValueError(f"value is no number to count with: {str(given)[:40]}")
    return value


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return _held(value[:MOST_CHARACTERS])


def _held(text: str) -> str:
    """The text as Postgres can hold it."""
    return text if is_holdable(text) else repair(text)


def _moment(given: object) -> datetime | None:
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        at = None
    if at is None:
        raise ValueError(f"at is no ISO 8601 time: {str(given)[:40]}")
    if at.tzinfo is None:
        raise ValueError(f"at has no time zone: {str(given)[:40]}")
    return at
