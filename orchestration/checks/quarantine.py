"""Rows that no mart may show: structurally broken calls, found and listed by one SQL expression a facet."""

from dataclasses import dataclass
from datetime import date

import psycopg
from psycopg.sql import SQL, Composed, Literal

from orchestration.partitions import range_window


@dataclass(frozen=True, slots=True)
class Facet:
    """`problem` is SQL over `calls`: a reason code for a broken row, NULL for a sound one."""

    name: str
    problem: str


# The primary key and a constraint already make the id unique and its time equal to started_at; what can
# still be wrong is what no constraint says.
FACETS = (
    Facet("id", "case when calls.call_id::text !~ '^.{14}7' then 'call_id is not a UUID version 7' end"),
    Facet(
        "time",
        """case
            when calls.ended_at < calls.started_at then 'ended before it started'
            when calls.latency_ms < 0 then 'negative latency'
            when calls.ttft_ms < 0 then 'negative time to first token'
            when calls.latency_ms = 'NaN' or calls.ttft_ms = 'NaN' then 'a latency that is not a number'
            when calls.ended_at > calls.started_at + interval '7 days' then 'lasted over a week'
        end""",
    ),
    Facet(
        "type",
        """case
            when jsonb_typeof(calls.attempts) <> 'array' then 'attempts is not a list'
            when jsonb_typeof(calls.tags) <> 'object' then 'tags is not an object'
            when calls.requested_model = '' then 'no model'
            when calls.provider = '' then 'no provider'
            when calls.http_status not between 100 and 599 then 'no HTTP status'
        end""",
    ),
)

# The marts must follow, also where this run is killed before dbt or its day is blocked. `scores`, because no
# call has changed: such a mark reopens no day, and the run's own dbt clears it.
MARK = """
insert into raw.dirty_hours (hour, stage)
select distinct date_trunc('hour', started_at, 'UTC') as hour, 'scores' from changed order by hour
"""

PUT_IN = f"""
with changed as (
    insert into evaluation.quarantine (started_at, call_id, check_name, reason)
    select calls.started_at, calls.call_id, {{name}}, {{problem}}
    from raw.llm_calls as calls
    where calls.started_at >= {{start}} and calls.started_at < {{end}} and {{problem}} is not null
    on conflict (started_at, call_id, check_name) do update set reason = excluded.reason
    where quarantine.reason <> excluded.reason
    returning quarantine.started_at
)
{MARK}
"""

LET_OUT = f"""
with changed as (
    delete from evaluation.quarantine
    using raw.llm_calls as calls
    where quarantine.started_at >= {{start}} and quarantine.started_at < {{end}}
        and quarantine.check_name = {{name}}
        and calls.started_at = quarantine.started_at and calls.call_id = quarantine.call_id
        and {{problem}} is null
    returning quarantine.started_at
)
{MARK}
"""

LISTED = """
select count(distinct call_id) from evaluation.quarantine
where started_at >= %s and started_at < %s and check_name like 'structure/%%'
"""


def quarantine_day(connection: psycopg.Connection, day: date) -> int:
    """List the day's broken calls and let out those that are sound by now; returns how many are listed.

    The hours of both are marked, so that the marts follow.
    """
    with connection.transaction():
        for facet in FACETS:
            connection.execute(_filled(PUT_IN, facet, day))
            connection.execute(_filled(LET_OUT, facet, day))
        window = range_window(day, day)
        row = connection.execute(LISTED, (window.start, window.end)).fetchone()
    return int(row[0]) if row else 0


def _filled(template: str, facet: Facet, day: date) -> Composed:
    window = range_window(day, day)
    return SQL(template).format(  # pyright: ignore[reportArgumentType]
        name=Literal(_check_name(facet)),
        problem=SQL(f"({facet.problem})"),  # pyright: ignore[reportArgumentType]
        start=Literal(window.start),
        end=Literal(window.end),
    )


def _check_name(facet: Facet) -> str:
    return f"structure/{facet.name}"
