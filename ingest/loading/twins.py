"""A call seen twice, by the proxy and in a trace (or in two spans of one trace), is counted once.

The span's row stays in `raw` and leaves the marts by `evaluation.quarantine`, where it says which call it
is. Twins have the provider's own id of the answer in common; where one of them has none, the W3C trace, the
model, and a start within the span. A failed call has no answer and, unless the client hands its trace on, no
trace: a failed span then belongs to a failed call of the same model within it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.call import Call
from ingest.providers.response_id import RESPONSE_ID_TAG

CHECK_NAME = "seen_twice"
SKEW = timedelta(seconds=5)
"""Two machines' clocks; what keeps good time is a fraction of a second apart."""
_LONGEST_SPAN = timedelta(minutes=15)
"""Calls are looked for no further, so that a span of days does not make a scan of days."""

# Where nobody sends traces this one probe is all that a batch costs.
_HAS_SPANS = "select 1 from raw.external_ids where source = 'otlp' limit 1"
_EARLIER_SPANS = """
select call_id, started_at, coalesce(ended_at, started_at)
from raw.llm_calls
where source = 'otlp'
    and tags ->> 'lqo.response_id' = any (%(ids)s)
    and started_at >= %(start)s and started_at < %(end)s
"""

# Windows are merged, so that each row is looked at once whatever the number of spans.
_QUARANTINE = """
with windows as (
    select starts_at, ends_at
    from unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) as given (starts_at, ends_at)
),
near as materialized (
    select calls.*
    from windows
    cross join lateral (
        select
            call_id, started_at, coalesce(ended_at, started_at) as ended_at, source, status, requested_model,
            trace_id, tags ->> 'lqo.response_id' as response_id
        from raw.llm_calls
        where started_at >= windows.starts_at and started_at < windows.ends_at
            and source in ('proxy', 'otlp')
        offset 0
    ) as calls
),
spans as materialized (
    select * from near
    where source = 'otlp' and call_id = any (%(ids)s)
),
-- One join for each way to be a twin, as a condition with "or" would compare every pair.
pairs as (
    select
        span.started_at, span.call_id, span.ended_at, other.call_id as twin, other.started_at as twin_at,
        other.source
    from spans as span
    inner join near as other using (response_id)
    union all
    select span.started_at, span.call_id, span.ended_at, other.call_id, other.started_at, other.source
    from spans as span
    inner join near as other using (trace_id, requested_model)
    where other.source = 'proxy' and (other.response_id is null or span.response_id is null)
    union all
    select span.started_at, span.call_id, span.ended_at, other.call_id, other.started_at, other.source
    from spans as span
    inner join near as other using (requested_model)
    where span.status = 'error' and span.response_id is null
        and other.source = 'proxy' and other.status <> 'ok' and other.trace_id is null
),
twins as (
    select distinct on (call_id) started_at, call_id, twin, source
    from pairs
    where twin <> call_id
        and twin_at between started_at - %(skew)s and ended_at + %(skew)s
        -- Of two spans the inner one, which starts later, is the call itself.
        and (source = 'proxy' or (twin_at, twin) > (started_at, call_id))
    order by call_id, source desc, twin_at
),
held as (
    insert into evaluation.quarantine (started_at, call_id, check_name, reason)
    select
        started_at, call_id, %(check)s,
        case source when 'proxy' then 'the proxy has it as ' else 'the span within it is ' end || twin
    from twins
    on conflict do nothing
    returning started_at
),
marked as (
    insert into raw.dirty_hours (hour, stage)
    select distinct date_trunc('hour', started_at, 'UTC'), 'scores' from held
)
select count(*) from held
"""


def hold_twins(connection: Connection[TupleRow], calls: Sequence[Call]) -> int:
    """Quarantine the spans among `calls`, and those landed before, whose call is known otherwise.

    Runs in the transaction that landed `calls`; returns how many spans it held back.
    """
    spans = {
        call.call_id: (call.started_at, call.ended_at or call.started_at)
        for call in calls
        if call.source == "otlp"
    }
    spans |= _landed_before(connection, calls)
    if not spans:
        return 0
    windows = _merged((start - SKEW, min(end, start + _LONGEST_SPAN) + SKEW) for start, end in spans.values())
    given = {
        "ids": [*spans],
        "starts": [start for start, _ in windows],
        "ends": [end for _, end in windows],
        "skew": SKEW,
        "check": CHECK_NAME,
    }
    # No statistics know rows this new: a loop over what is taken for one row took a second, hashing 80 ms.
    connection.execute("set local enable_nestloop = off")
    row = connection.execute(_QUARANTINE, given).fetchone()
    connection.execute("set local enable_nestloop to default")
    return 0 if row is None else row[0]


def _landed_before(
    connection: Connection[TupleRow], calls: Sequence[Call]
) -> dict[UUID, tuple[datetime, datetime]]:
    """Spans that say the same answer's id as one of `calls` and landed before it did."""
    ids: dict[str, datetime] = {
        call.tags[RESPONSE_ID_TAG]: call.started_at
        for call in calls
        if call.source != "import" and isinstance(call.tags.get(RESPONSE_ID_TAG), str)
    }
    if not ids or connection.execute(_HAS_SPANS).fetchone() is None:
        return {}
    given = {
        "ids": [*ids],
        "start": min(ids.values()) - _LONGEST_SPAN,
        "end": max(ids.values()) + SKEW,
    }
    return {call_id: (start, end) for call_id, start, end in connection.execute(_EARLIER_SPANS, given)}


def _merged(windows: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same time in the fewest windows."""
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted(windows):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
