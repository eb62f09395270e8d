"""Recorded scores from elsewhere: they land once, under a version of their own."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.dirty import mark_hours
from orchestration.transactions import writing
from orchestration.versions.recorded_rows import BadRow, RecordedScore
from orchestration.versions.registry import Version
from orchestration.versions.shadow_days import put_shadow_days

RELATION = "evaluation.judgements"
BATCH_ROWS = 5_000
MOST_REJECTS = 1_000

MAKE_STAGE: LiteralString = """
create temp table if not exists recorded_scores (
    line integer not null,
    call_id uuid,
    external_id text not null,
    value numeric,
    label text,
    explanation text,
    unscored_reason text,
    at timestamptz
) on commit delete rows
"""

COPY: LiteralString = """
copy recorded_scores (line, call_id, external_id, value, label, explanation, unscored_reason, at) from stdin
"""

# The source leads the key of the foreign ids, so all three are named.
_RESOLVED: LiteralString = """
with resolved as materialized (
    select
        given.*,
        coalesce(own.call_id, foreign_ids.call_id) as found_id,
        coalesce(own.started_at, foreign_ids.started_at) as started_at,
        case when own.call_id is null then coalesce(foreign_ids.count_calls, 0) else 1 end as count_calls
    from recorded_scores as given
    left join raw.llm_calls as own
        on own.started_at = ingest.uuid7_time(given.call_id) and own.call_id = given.call_id
    left join lateral (
        select
            min(call_id::text)::uuid as call_id,
            min(started_at) as started_at,
            count(distinct call_id) as count_calls
        from raw.external_ids
        where source in ('proxy', 'import', 'otlp') and external_id = given.external_id
    ) as foreign_ids on own.call_id is null
)
"""

# Of two rows for one call in a batch the first lands; the other is then compared with it.
LAND: LiteralString = (
    _RESOLVED
    + """
insert into evaluation.judgements (
    started_at, call_id, evaluator_version_id, value, label, explanation, unscored_reason, judge_model,
    scored_at
)
select distinct on (started_at, found_id)
    started_at, found_id, %(version)s, value, label, explanation, unscored_reason, %(judge_model)s,
    coalesce(at, now())
from resolved
where count_calls = 1
order by started_at, found_id, line
on conflict (started_at, call_id, evaluator_version_id) do nothing
returning started_at
"""
)

REFUSED: LiteralString = (
    _RESOLVED
    + """
select
    line,
    case
        when count_calls = 0 then 'no call has this id'
        when count_calls > 1 then 'several calls have this id'
        else 'the call has another score of this version'
    end
from resolved
left join evaluation.judgements as known
    on known.started_at = resolved.started_at
    and known.call_id = resolved.found_id
    and known.evaluator_version_id = %(version)s
where count_calls <> 1
    or (known.value, known.label, known.explanation, known.unscored_reason)
        is distinct from (resolved.value, resolved.label, resolved.explanation, resolved.unscored_reason)
order by line
"""
)


@dataclass(slots=True)
class Recorded:
    """What an import of scores did: every row that is not blank is in exactly one of the three counts.

    `reasons` counts the rejected rows by reason; `rejects` are the first 1,000 of them.
    """

    n_landed: int = 0
    n_already_there: int = 0
    n_rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])
    rejects: list[BadRow] = field(default_factory=list[BadRow])
    first_day: date | None = None
    last_day: date | None = None

    def reject(self, row: BadRow) -> None:
        self.n_rejected += 1
        # A reason may quote what stood there; counted is what is common to all.
        self.reasons[row.reason.partition(":")[0]] += 1
        if len(self.rejects) < MOST_REJECTS:
            self.rejects.append(row)


def land_recorded(
    connection: Connection[TupleRow],
    version: Version,
    rows: Iterable[RecordedScore | BadRow],
    *,
    batch_rows: int = BATCH_ROWS,
) -> Recorded:
    """Land scores of known calls under the version; the same rows again change nothing.

    The first score of a call stays: a version says one thing of a call, and another needs another version.
    Each batch is a transaction, so an import that was stopped is finished by running it again.
    """
    done = Recorded()
    for batch in _batches(rows, done, size=batch_rows):
        _land(connection, version, batch, done)
    if done.first_day is not None and done.last_day is not None:
        put_shadow_days(connection, version, first_day=done.first_day, last_day=done.last_day)
    return done


def _batches(
    rows: Iterable[RecordedScore | BadRow], done: Recorded, *, size: int
) -> Iterator[Sequence[RecordedScore]]:
    """The good rows in batches; the others are counted on the way."""
    batch: list[RecordedScore] = []
    for row in rows:
        if isinstance(row, BadRow):
            done.reject(row)
            continue
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _land(
    connection: Connection[TupleRow], version: Version, batch: Sequence[RecordedScore], done: Recorded
) -> None:
    given = {"version": version.id, "judge_model": version.version}
    with writing(connection, relation=RELATION), connection.cursor() as cursor:
        cursor.execute(MAKE_STAGE)
        with cursor.copy(COPY) as copy:
            for row in batch:
                copy.write_row(
                    (
                        row.line,
                        row.call_id,
                        row.external_id,
                        row.value,
                        row.label,
                        row.explanation,
                        row.unscored_reason,
                        row.at,
                    )
                )
        moments = [moment for (moment,) in cursor.execute(LAND, given)]
        refused = cursor.execute(REFUSED, given).fetchall()
        hours = mark_hours(connection, moments, stage="scores")
    for line, reason in refused:
        done.reject(BadRow(line, reason))
    done.n_landed += len(moments)
    done.n_already_there += len(batch) - len(moments) - len(refused)
    days = [hour.date() for hour in hours]
    done.first_day = min([*days, *([done.first_day] if done.first_day else [])], default=None)
    done.last_day = max([*days, *([done.last_day] if done.last_day else [])], default=None)
