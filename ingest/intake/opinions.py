"""What end users say of calls, read: a vote, a number, a label, a comment."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec

from evaluators.masking import MaskingError
from ingest.landing.result import Problem
from ingest.landing.validate import start_problem
from ingest.proxy.ports import Keeping
from ingest.spool.records import Opinion
from ingest.uuid7 import EPOCH, uuid7_time

LARGEST = 10**12
_MICROSECOND = timedelta(microseconds=1)


class _Given(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    call_id: UUID
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    value: bool | int | float | Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    comment: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    at: datetime | None = None


_decoder = msgspec.json.Decoder(_Given)


def read_opinion(
    item: bytes, *, keeping: Keeping, now: datetime, earliest: datetime, latest: datetime
) -> Opinion | Problem:
    """The opinion in one JSON object, or why it is none. Without `at` it was given `now`."""
    try:
        given = _decoder.decode(item)
    except msgspec.ValidationError as error:
        return Problem("bad_field", str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Problem("broken_json", str(error))
    problem = _problem(given, earliest=earliest, latest=latest)
    if problem is not None:
        return problem
    return Opinion(
        call_id=given.call_id,
        name=given.name,
        at_ns=(((given.at or now) - EPOCH) // _MICROSECOND) * 1000,
        value=None if given.value is None or isinstance(given.value, str) else _number(given.value),
        label=given.value if isinstance(given.value, str) else None,
        comment=_kept(given.comment, keeping=keeping),
    )


def _problem(given: _Given, *, earliest: datetime, latest: datetime) -> Problem | None:
    started_at = uuid7_time(given.call_id)
    if started_at is None:
        return Problem("bad_field", "call_id is no id of a call; it stands in the header x-lqo-call-id")
    if start_problem(started_at, earliest=earliest, latest=latest) is not None:
        return Problem("out_of_range", f"no call can have started at {started_at.isoformat()}")
    if given.value is None and not given.comment:
        return Problem("missing_field", "neither a value nor a comment is given")
    if isinstance(given.value, int | float) and not abs(given.value) <= LARGEST:
        return Problem("absurd_value", f"value is beyond {LARGEST:,}")
    return None if given.at is None else _time_problem(given.at, earliest=earliest, latest=latest)


def _time_problem(at: datetime, *, earliest: datetime, latest: datetime) -> Problem | None:
    if at.tzinfo is None:
        return Problem("naive_time", "at has no offset from UTC")
    if not earliest <= at < latest:
        return Problem("out_of_range", f"at {at.isoformat()} is in the future or before all calls")
    return None


def _number(value: bool | int | float) -> str:
    """1 and 0 for yes and no; any other number by its shortest digits."""
    return str(int(value)) if isinstance(value, bool | int) else format(Decimal(repr(value)), "f")


def _kept(comment: str | None, *, keeping: Keeping) -> str | None:
    """The comment as the caller's project lets it be kept; nothing of it where it cannot be masked."""
    if not comment or keeping.keep == "none":
        return None
    try:
        return keeping.mask(comment) if keeping.keep == "masked" else comment
    except MaskingError:
        return None
