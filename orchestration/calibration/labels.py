"""Human labels become rows, once; the hours of the calls they speak of become dirty."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.calibration.label_rows import Label, LabelError, read_label
from orchestration.transactions import writing

RELATION = "evaluation.labels"
BATCH = 1_000
MOST_SHOWN = 20
CONFLICT = LabelError("conflicting", "another label of the same call, evaluator, rater and moment is there")

_Row = tuple[int, Mapping[str, Any] | LabelError]
_Key = tuple[UUID | None, str | None, str, str, str]

# A row that does not say when it was given counts as new only if it says something new.
LAND: LiteralString = """
with given as (
    select * from unnest(
        %(ordinal)s::integer[], %(call_id)s::uuid[], %(external_id)s::text[], %(call_source)s::text[],
        %(evaluator)s::text[], %(rater)s::text[], %(value)s::numeric[], %(label)s::text[],
        %(cluster)s::text[], %(is_blind)s::boolean[], %(probability)s::double precision[],
        %(at)s::timestamptz[]
    ) as given (
        ordinal, call_id, external_id, call_source, evaluator, rater, value, label, cluster, is_blind,
        inclusion_probability, at
    )
),

named as (
    select given.*, coalesce(given.call_id, foreign_ids.call_id) as id
    from given
    left join raw.external_ids as foreign_ids
        on foreign_ids.source = given.call_source and foreign_ids.external_id = given.external_id
),

found as (
    select
        named.*,
        calls.started_at,
        row(
            trim_scale(named.value), named.label, named.cluster, named.is_blind, named.inclusion_probability
        )::text as says
    from named
    inner join raw.llm_calls as calls
        on calls.call_id = named.id and calls.started_at = ingest.uuid7_time(named.id)
),

known as (
    select
        *,
        row(trim_scale(value), label, cluster, is_blind, inclusion_probability)::text as says
    from evaluation.labels
    where (started_at, call_id) in (select started_at, id from found)
),

current as (
    select distinct on (started_at, call_id, evaluator, rater) *
    from known
    order by started_at, call_id, evaluator, rater, at desc
),

new as (
    select
        found.*,
        coalesce(found.at, greatest(%(now)s, current.at + interval '1 microsecond')) as given_at
    from found
    left join current
        on current.started_at = found.started_at
        and current.call_id = found.id
        and current.evaluator = found.evaluator
        and current.rater = found.rater
    where found.at is not null or current.says is distinct from found.says
),

ranked as (
    select
        *,
        row_number() over (
            partition by started_at, id, evaluator, rater, given_at
            order by ordinal
        ) as place
    from new
),

landed as (
    insert into evaluation.labels (
        call_id, started_at, evaluator, rater, value, label, cluster, is_blind, inclusion_probability, at,
        source
    )
    select
        id, started_at, evaluator, rater, value, label, cluster, is_blind, inclusion_probability, given_at,
        %(source)s
    from ranked
    where place = 1
    on conflict do nothing
    returning
        started_at, call_id, evaluator, rater, at,
        row(trim_scale(value), label, cluster, is_blind, inclusion_probability)::text as says
),

marked as (
    insert into raw.dirty_hours (hour, stage)
    select distinct date_trunc('hour', started_at, 'UTC'), 'labels' from landed
)

select
    given.ordinal,
    found.started_at,
    ranked.place = 1 and landed.says is not null as is_landed,
    ranked.place is not null
        and coalesce(landed.says, known.says) is distinct from ranked.says as is_conflicting
from given
left join found using (ordinal)
left join ranked using (ordinal)
left join landed
    on landed.started_at = ranked.started_at
    and landed.call_id = ranked.id
    and landed.evaluator = ranked.evaluator
    and landed.rater = ranked.rater
    and landed.at = ranked.given_at
left join known
    on known.started_at = ranked.started_at
    and known.call_id = ranked.id
    and known.evaluator = ranked.evaluator
    and known.rater = ranked.rater
    and known.at = ranked.given_at
order by given.ordinal
"""


@dataclass(slots=True)
class LabelImport:
    """What an import did. `reasons` counts bad rows, `shown` holds the first of them with their lines."""

    n_landed: int = 0
    n_unchanged: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])
    shown: list[str] = field(default_factory=list[str])
    days: set[date] = field(default_factory=set[date])
    evaluators: set[str] = field(default_factory=set[str])

    @property
    def n_rejected(self) -> int:
        return self.reasons.total()

    def reject(self, line: int, error: LabelError) -> None:
        self.reasons[error.reason] += 1
        if len(self.shown) < MOST_SHOWN:
            self.shown.append(f"line {line}: {' '.join(str(error).split())[:300]}")


def import_labels(
    connection: Connection[TupleRow],
    rows: Iterable[_Row],
    *,
    source: str,
    evaluator: str | None = None,
    rater: str | None = None,
    now: datetime | None = None,
) -> LabelImport:
    """Land rows (line number and fields) as labels; a row that is none is counted with its reason.

    The same file twice leaves the same state. A second opinion of a rater is another row with a later `at`;
    one of the same moment (or, in one file, without a moment) that says something else is refused as
    `conflicting`: the first is on record.
    """
    done = LabelImport()
    timeless: dict[_Key, Label] = {}
    at = now or datetime.now(UTC)
    for batch in _batches(rows):
        labels: list[tuple[int, Label]] = []
        for line, row in batch:
            try:
                if isinstance(row, LabelError):
                    raise row
                label = read_label(row, evaluator=evaluator, rater=rater)
            except LabelError as error:
                done.reject(line, error)
                continue
            if label.at is None and timeless.setdefault(_key(label), label) != label:
                done.reject(line, CONFLICT)
            else:
                labels.append((line, label))
        if labels:
            _land(connection, labels, done=done, source=source, now=at)
    return done


def _land(
    connection: Connection[TupleRow],
    labels: Sequence[tuple[int, Label]],
    *,
    done: LabelImport,
    source: str,
    now: datetime,
) -> None:
    with writing(connection, relation=RELATION):
        outcomes = connection.execute(LAND, _columns(labels, source=source, now=now)).fetchall()
    for (line, label), (_, started_at, is_landed, is_conflicting) in zip(labels, outcomes, strict=True):
        if started_at is None:
            named = label.call_id or label.external_id
            done.reject(line, LabelError("unknown_call", f"no call {str(named)!r:.80} has landed"))
        elif is_conflicting:
            done.reject(line, CONFLICT)
        elif is_landed:
            done.n_landed += 1
            done.days.add(started_at.astimezone(UTC).date())
            done.evaluators.add(label.evaluator)
        else:
            done.n_unchanged += 1


def _columns(labels: Sequence[tuple[int, Label]], *, source: str, now: datetime) -> dict[str, object]:
    given = [label for _, label in labels]
    return {
        "ordinal": [*range(len(given))],
        "call_id": [label.call_id for label in given],
        "external_id": [label.external_id for label in given],
        "call_source": [label.source for label in given],
        "evaluator": [label.evaluator for label in given],
        "rater": [label.rater for label in given],
        "value": [label.value for label in given],
        "label": [label.label for label in given],
        "cluster": [label.cluster for label in given],
        "is_blind": [label.is_blind for label in given],
        "probability": [label.inclusion_probability for label in given],
        "at": [label.at for label in given],
        "source": source,
        "now": now,
    }


def _key(label: Label) -> _Key:
    return label.call_id, label.external_id, label.source, label.evaluator, label.rater


def _batches(items: Iterable[_Row]) -> Iterator[list[_Row]]:
    waiting = iter(items)
    while batch := list(islice(waiting, BATCH)):
        yield batch
