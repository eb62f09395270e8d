"""What must hold for a call to become a row: structure only. Odd rates and unknown models do land."""

from datetime import datetime, timedelta
from typing import get_args

from ingest.call import BodyState, Call, Purpose, Source, Status
from ingest.landing.result import Problem
from ingest.uuid7 import is_uuid7_of

LONGEST_CALL = timedelta(days=30)
_LONGEST_MILLISECONDS = LONGEST_CALL / timedelta(milliseconds=1)
LONGEST_EXTERNAL_ID = 2000
"""Bytes: it is the key of an index, and an index row ends at 2.7 KB."""

_CHOICES = {
    "source": frozenset(get_args(Source)),
    "status": frozenset(get_args(Status)),
    "purpose": frozenset(get_args(Purpose)),
    "body_state": frozenset(get_args(BodyState)),
}


def problem_of(call: Call, *, earliest: datetime, latest: datetime) -> Problem | None:
    """The first reason why `call` cannot land, or None. `started_at` must be in [earliest, latest)."""
    return (
        _time_problem(call, earliest=earliest, latest=latest)
        or _number_problem(call)
        or _choice_problem(call)
        or _size_problem(call)
    )


def start_problem(started_at: datetime, *, earliest: datetime, latest: datetime) -> Problem | None:
    """Why no call can have started then: no offset from UTC, or not in [earliest, latest)."""
    if started_at.tzinfo is None:
        return Problem("naive_time", "started_at has no offset from UTC")
    if not earliest <= started_at < latest:
        bounds = f"{earliest:%Y-%m-%d} to before {latest:%Y-%m-%d}"
        return Problem("out_of_range", f"started_at {started_at.isoformat()} is not in {bounds}")
    return None


def _time_problem(call: Call, *, earliest: datetime, latest: datetime) -> Problem | None:
    started_at, ended_at = call.started_at, call.ended_at
    problem = start_problem(started_at, earliest=earliest, latest=latest)
    if problem is not None:
        return problem
    if not is_uuid7_of(call.call_id, started_at):
        detail = f"call_id {call.call_id} is no v7 of started_at {started_at.isoformat()}"
        return Problem("id_time_mismatch", detail)
    return None if ended_at is None else _end_problem(started_at, ended_at)


def _end_problem(started_at: datetime, ended_at: datetime) -> Problem | None:
    if ended_at.tzinfo is None:
        return Problem("naive_time", "ended_at has no offset from UTC")
    if ended_at < started_at:
        return Problem("ended_before_started", f"ended_at {ended_at.isoformat()} precedes started_at")
    if ended_at - started_at > LONGEST_CALL:
        return Problem("absurd_value", f"the call took {ended_at - started_at}")
    return None


def _number_problem(call: Call) -> Problem | None:
    if call.http_status is not None and not 0 <= call.http_status <= 999:
        return Problem("absurd_value", f"http_status is {call.http_status}")
    for name, value in (("latency_ms", call.latency_ms), ("ttft_ms", call.ttft_ms)):
        # Comparisons with a NaN are false, so it takes the way of what is too long.
        if value is not None and not 0 <= value <= _LONGEST_MILLISECONDS:
            reason = "negative_latency" if value < 0 else "absurd_value"
            return Problem(reason, f"{name} is {value:g}")
    return None


def _choice_problem(call: Call) -> Problem | None:
    if (
        call.status in _CHOICES["status"]
        and call.source in _CHOICES["source"]
        and call.purpose in _CHOICES["purpose"]
        and call.body_state in _CHOICES["body_state"]
    ):
        return None
    name = next(name for name, allowed in _CHOICES.items() if getattr(call, name) not in allowed)
    return Problem("bad_field", f"{name} is {str(getattr(call, name))[:40]!r}")


def _size_problem(call: Call) -> Problem | None:
    external_id = call.external_id
    if external_id is None or len(external_id) * 4 <= LONGEST_EXTERNAL_ID:
        return None
    size = len(external_id.encode("utf-8", "surrogatepass"))
    if size <= LONGEST_EXTERNAL_ID:
        return None
    return Problem("absurd_value", f"external_id has {size} bytes, the limit is {LONGEST_EXTERNAL_ID}")
