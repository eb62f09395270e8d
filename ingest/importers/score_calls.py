"""Which call a score is of: by our id, by the foreign id of an import, or the last one of a trace."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.importers.formats.base import Score
from ingest.landing.text import is_holdable, repair

LONGEST_AFTER = timedelta(days=30)
"""A trace is looked for so long before its score: nothing finds calls by trace but a look at all of them."""
_LEAD = timedelta(days=1)

_FIND: LiteralString = """
with given as (
    select * from unnest(
        %(ordinals)s::integer[], %(call_ids)s::uuid[], %(external_ids)s::text[], %(trace_ids)s::text[]
    ) as given (ordinal, call_id, external_id, trace_id)
),
traces as materialized (
    select distinct on (trace_id) trace_id, call_id, started_at
    from raw.llm_calls
    where source = 'import' and endpoint <> 'embeddings'
        and trace_id = any (%(traces)s)
        and started_at >= %(start)s and started_at < %(end)s
    order by trace_id, started_at desc, call_id desc
)
select
    given.ordinal,
    coalesce(own.call_id, foreign_ids.call_id, traces.call_id),
    coalesce(own.started_at, foreign_ids.started_at, traces.started_at)
from given
left join raw.llm_calls as own
    on own.started_at = ingest.uuid7_time(given.call_id) and own.call_id = given.call_id
left join raw.external_ids as foreign_ids
    on foreign_ids.source = 'import' and foreign_ids.external_id = given.external_id
left join traces on traces.trace_id = given.trace_id
"""


def find_calls(
    connection: Connection[TupleRow], scores: Sequence[Score]
) -> list[tuple[UUID, datetime] | None]:
    """For each score its call's id and start, or None: nobody knows it.

    A trace's call is its last one that is no embedding, at most 30 days before the earliest of these scores.
    """
    traces = {_held(score.trace_id) for score in scores if score.trace_id}
    times = [score.at for score in scores if score.trace_id and score.at] or [datetime.now(UTC)]
    given = {
        "ordinals": [*range(len(scores))],
        "call_ids": [score.call_id for score in scores],
        "external_ids": [_held(score.external_id) for score in scores],
        "trace_ids": [_held(score.trace_id) for score in scores],
        "traces": [*traces],
        "start": _moved(min(times), -LONGEST_AFTER),
        "end": _moved(max(times), _LEAD),
    }
    found: list[tuple[UUID, datetime] | None] = [None] * len(scores)
    with connection.transaction():
        for ordinal, call_id, started_at in connection.execute(_FIND, given):
            found[ordinal] = None if call_id is None else (call_id, started_at)
    return found


def _moved(at: datetime, by: timedelta) -> datetime:
    """A time so much later; a score may be of the first or the last day that there is."""
    try:
        return at + by
    except OverflowError:
        return at


def _held(text: str | None) -> str | None:
    return text if text is None or is_holdable(text) else repair(text)
