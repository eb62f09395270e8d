"""Feedback becomes rows, once; the hours of the calls it speaks of become dirty."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.landing.text import is_holdable, repair
from ingest.spool.records import Feedback, Opinion
from ingest.uuid7 import EPOCH

_INSERT = """
with given as (
    select
        call_id, ingest.uuid7_time(call_id) as started_at, name, value, label, comment, at, key_id, ordinal
    from unnest(
        %s::uuid[], %s::text[], %s::numeric[], %s::text[], %s::text[], %s::timestamptz[], %s::text[],
        %s::integer[]
    ) as given (call_id, name, value, label, comment, at, key_id, ordinal)
),
landed as (
    insert into evaluation.feedback (call_id, started_at, name, value, label, comment, at, key_id)
    select call_id, started_at, name, value, label, comment, at, key_id
    from given
    order by call_id, name, at, ordinal
    on conflict do nothing
    returning call_id, started_at, name, at
),
marked as (
    insert into raw.dirty_hours (hour, stage)
    select distinct date_trunc('hour', started_at, 'UTC'), 'labels' from landed
)
select count(*) from landed
"""
_DIFFERENT = """
select given.ordinal
from unnest(
    %s::uuid[], %s::text[], %s::numeric[], %s::text[], %s::text[], %s::timestamptz[], %s::text[],
    %s::integer[]
) as given (call_id, name, value, label, comment, at, key_id, ordinal)
inner join evaluation.feedback as known using (call_id, name, at)
where (known.value, known.label, known.comment) is distinct from (given.value, given.label, given.comment)
order by given.ordinal
"""


@dataclass(frozen=True, slots=True)
class FeedbackResult:
    """`landed` opinions are new, `conflicting` ones say something else than a row of the same moment."""

    landed: int
    conflicting: tuple[Opinion, ...]


def land_feedback(connection: Connection[TupleRow], records: Sequence[Feedback]) -> FeedbackResult:
    """Insert the opinions in the caller's transaction. An opinion is its call, name and time: the first
    to say so stays, and the same again changes nothing. No call need be there.
    """
    given = [(opinion, record.key_id) for record in records for opinion in record.opinions]
    if not given:
        return FeedbackResult(0, ())
    columns = _columns(given)
    row = connection.execute(_INSERT, columns).fetchone()
    landed = 0 if row is None else row[0]
    if landed == len(given):
        return FeedbackResult(landed, ())
    different = connection.execute(_DIFFERENT, columns).fetchall()
    return FeedbackResult(landed, tuple(given[ordinal][0] for (ordinal,) in different))


def opinion_record(opinion: Opinion) -> bytes:
    """The opinion as the JSON of `POST /v1/feedback`: what a dead letter keeps of it."""
    given = {
        "call_id": opinion.call_id,
        "name": opinion.name,
        "value": opinion.label if opinion.value is None else float(opinion.value),
        "comment": opinion.comment,
        "at": _moment(opinion.at_ns),
    }
    return msgspec.json.encode({name: value for name, value in given.items() if value is not None})


def _columns(given: Sequence[tuple[Opinion, str | None]]) -> tuple[list[object], ...]:
    ids: list[UUID] = [opinion.call_id for opinion, _ in given]
    return (
        [*ids],
        [_text(opinion.name) for opinion, _ in given],
        [opinion.value for opinion, _ in given],
        [_text(opinion.label) for opinion, _ in given],
        [_text(opinion.comment) for opinion, _ in given],
        [_moment(opinion.at_ns) for opinion, _ in given],
        [key_id for _, key_id in given],
        [*range(len(given))],
    )


def _text(value: str | None) -> str | None:
    """The text as Postgres can hold it; `landing.text.restore` gives the original of an escaped one."""
    return value if value is None or is_holdable(value) else repair(value)


def _moment(at_ns: int) -> datetime:
    return EPOCH + timedelta(microseconds=at_ns // 1000)
