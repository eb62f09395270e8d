"""`evaluation.calibrations`: every evaluator version against people's labels, overall and by stratum."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from evaluators.calibration.calibrate import Calibration, calibrate
from evaluators.calibration.labelled import PASS_GRADE, LabelledCall
from evaluators.statistics.estimate import Estimate
from evaluators.statistics.wilson import wilson
from orchestration.calibration.labelled_calls import EvaluatorVersion, labelled_calls
from orchestration.transactions import writing

RELATION = "evaluation.calibrations"

VERSIONS: LiteralString = """
select versions.id, versions.evaluator, versions.version, versions.kind
from evaluation.evaluator_versions as versions
where (%(ids)s::integer[] is null or versions.id = any (%(ids)s))
    and (
        versions.kind <> 'rule'
        or exists (select from evaluation.labels where labels.evaluator = versions.evaluator)
    )
order by versions.id
"""

# The newest thirty days with verdicts, not of the calendar: an imported history has its own.
PARSE_ERRORS: LiteralString = """
select coalesce(sum(n_parse_errors), 0)::bigint, coalesce(sum(n + n_parse_errors), 0)::bigint
from (
    select n, n_parse_errors from evaluation.pass_rates
    where evaluator_version_id = %s and stratum = 'overall'
    order by day desc
    limit 30
) as newest
"""

# The same golden items on the two newest days, and pairs asked in both orders: verdicts that did not hold.
FLIPS: LiteralString = """
with days as (
    select distinct day from evaluation.golden_scores
    where evaluator_version_id = %(id)s
    order by day desc
    limit 2
),

golden as (
    select
        golden_set,
        content_hash,
        bool_or(value >= %(pass_grade)s) and bool_or(value < %(pass_grade)s) as is_flip
    from evaluation.golden_scores
    where evaluator_version_id = %(id)s and day in (select day from days) and value is not null
    group by golden_set, content_hash
    having count(*) = 2
),

pairs as (
    select run_id, item_id, min(winner) <> max(winner) as is_flip
    from evaluation.pairwise_verdicts
    where evaluator_version_id = %(id)s and winner is not null
    group by run_id, item_id
    having count(*) = 2
)

select count(*) filter (where is_flip), count(*)
from (select is_flip from golden union all select is_flip from pairs) as asked_twice
"""

PUT: LiteralString = """
insert into evaluation.calibrations as held (
    evaluator_version_id, stratum, name, n, n_clusters, agreement, agreement_low, agreement_high, kappa,
    kappa_low, kappa_high, figures, state, reasons
)
values (
    %(id)s, %(stratum)s, %(name)s, %(n)s, %(n_clusters)s, %(agreement)s, %(agreement_low)s,
    %(agreement_high)s, %(kappa)s, %(kappa_low)s, %(kappa_high)s, %(figures)s, %(state)s, %(reasons)s
)
on conflict (evaluator_version_id, stratum, name) do update set
    n = excluded.n,
    n_clusters = excluded.n_clusters,
    agreement = excluded.agreement,
    agreement_low = excluded.agreement_low,
    agreement_high = excluded.agreement_high,
    kappa = excluded.kappa,
    kappa_low = excluded.kappa_low,
    kappa_high = excluded.kappa_high,
    figures = excluded.figures,
    state = excluded.state,
    reasons = excluded.reasons,
    state_since = case when held.state = excluded.state then held.state_since else now() end,
    computed_at = now()
where (
    held.n, held.n_clusters, held.agreement, held.agreement_low, held.agreement_high, held.kappa,
    held.kappa_low, held.kappa_high, held.figures, held.state, held.reasons
) is distinct from (
    excluded.n, excluded.n_clusters, excluded.agreement, excluded.agreement_low, excluded.agreement_high,
    excluded.kappa, excluded.kappa_low, excluded.kappa_high, excluded.figures, excluded.state,
    excluded.reasons
)
"""

FORGET: LiteralString = """
delete from evaluation.calibrations
where evaluator_version_id = %s
    and (stratum, name) not in (select * from unnest(%s::text[], %s::text[]))
"""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One evaluator version and its calibrations by (stratum, name); overall is ("overall", "")."""

    version: EvaluatorVersion
    strata: dict[tuple[str, str], Calibration]

    @property
    def overall(self) -> Calibration:
        return self.strata["overall", ""]


def calibrate_versions(
    connection: Connection[TupleRow], evaluator_version_ids: Sequence[int] | None = None
) -> list[Calibrated]:
    """Compute and store the calibrations of these versions (all judges, and rules with labels, if None).

    Deterministic in labels, verdicts and golden scores: run again, nothing is written.
    """
    ids = None if evaluator_version_ids is None else list(evaluator_version_ids)
    with connection.transaction():
        rows = connection.execute(VERSIONS, {"ids": ids}).fetchall()
    return [_calibrate(connection, EvaluatorVersion(*row)) for row in rows]


def strata_of(calls: Iterable[LabelledCall]) -> dict[tuple[str, str], list[LabelledCall]]:
    """The calls overall, by model and by prompt; a call without a prompt's name is in no prompt."""
    found: dict[tuple[str, str], list[LabelledCall]] = {("overall", ""): []}
    for call in calls:
        for key in _keys(call):
            found.setdefault(key, []).append(call)
    return found


def _keys(call: LabelledCall) -> Iterator[tuple[str, str]]:
    yield "overall", ""
    if call.model:
        yield "model", call.model
    if call.prompt:
        yield "prompt", call.prompt


def _calibrate(connection: Connection[TupleRow], version: EvaluatorVersion) -> Calibrated:
    calls = labelled_calls(connection, version)
    parse_errors, flips = _parse_errors(connection, version), _flips(connection, version)
    strata = {
        key: calibrate(members, parse_errors=parse_errors, flips=flips)
        for key, members in strata_of(calls).items()
    }
    with writing(connection, relation=RELATION):
        for (stratum, name), found in strata.items():
            connection.execute(PUT, _columns(version.id, stratum, name, found))
        stratums, names = zip(*strata, strict=True)
        connection.execute(FORGET, (version.id, list(stratums), list(names)))
    return Calibrated(version, strata)


def _parse_errors(connection: Connection[TupleRow], version: EvaluatorVersion) -> Estimate:
    with connection.transaction():
        row = connection.execute(PARSE_ERRORS, (version.id,)).fetchone()
    n_errors, n = row or (0, 0)
    return wilson(n_errors, n)


def _flips(connection: Connection[TupleRow], version: EvaluatorVersion) -> Estimate:
    given = {"id": version.id, "pass_grade": PASS_GRADE if version.is_graded else 1}
    with connection.transaction():
        row = connection.execute(FLIPS, given).fetchone()
    n_flips, n = row or (0, 0)
    return wilson(n_flips, n)


def _columns(version_id: int, stratum: str, name: str, found: Calibration) -> dict[str, object]:
    raw, kappa = found.agreement.raw, found.agreement.kappa
    return {
        "id": version_id,
        "stratum": stratum,
        "name": name,
        "n": found.n,
        "n_clusters": found.n_clusters,
        **_ends("agreement", raw),
        **_ends("kappa", kappa),
        "figures": Jsonb({name: _figure(estimate) for name, estimate in found.figures().items()}),
        "state": found.standing.state,
        "reasons": list(found.standing.reasons),
    }


def _ends(name: str, found: Estimate) -> dict[str, float | None]:
    return {
        name: known(found.value),
        f"{name}_low": known(found.low),
        f"{name}_high": known(found.high),
    }


def _figure(found: Estimate) -> dict[str, float | int | None]:
    return {
        "value": known(found.value),
        "low": known(found.low),
        "high": known(found.high),
        "n": found.n,
    }


def known(value: float) -> float | None:
    """The number, or None for one that is not known: in SQL that is NULL, never NaN or 0."""
    return float(value) if isfinite(value) else None
