"""Which days a version was scored over before it was current: what a bridge to it rests on."""

from datetime import date
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.transactions import writing
from orchestration.versions.registry import RELATION, Version
from orchestration.windows import day_window

COUNT: LiteralString = """
insert into evaluation.shadow_days as known (evaluator_version_id, day, n_scored, n_unscored)
select
    %(version)s,
    (started_at at time zone 'UTC')::date,
    count(value),
    count(*) - count(value)
from evaluation.judgements
where evaluator_version_id = %(version)s and started_at >= %(start)s and started_at < %(end)s
group by 2
on conflict (evaluator_version_id, day) do update
set n_scored = excluded.n_scored, n_unscored = excluded.n_unscored, scored_at = now()
where (known.n_scored, known.n_unscored) is distinct from (excluded.n_scored, excluded.n_unscored)
"""

SHADOW: LiteralString = """
update evaluation.evaluator_versions set status = 'shadow' where id = %s and status = 'draft'
"""


def put_shadow_days(
    connection: Connection[TupleRow], version: Version, *, first_day: date, last_day: date
) -> None:
    """Count what the version has of these days (both included); a draft with results is a shadow."""
    given = {
        "version": version.id,
        "start": day_window(first_day).start,
        "end": day_window(last_day).end,
    }
    with writing(connection, relation=RELATION):
        if connection.execute(COUNT, given).rowcount:
            connection.execute(SHADOW, (version.id,))
