"""The ledger with judges, and means of sampled grades, against an independent computation."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from math import sqrt
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from tests.dbt_project.marts import records
from tests.dbt_project.running_dbt import Dbt, days
from tests.dbt_project.seed import FIRST_DAY

TAKEN_OVER = datetime(2026, 11, 1, 12, tzinfo=UTC)
# 97.5 % quantiles of Student's t, from tables.
T = {
    1: 12.7062,
    2: 4.30265,
    3: 3.18245,
    4: 2.77645,
    5: 2.57058,
    7: 2.36462,
    10: 2.22814,
    20: 2.08596,
    30: 2.04227,
}

JUDGES = """
insert into evaluation.judge_policies (policy, rate, on_failure, projects, applies_from)
values ('half', 0.5, true, null, '2026-10-31'), ('chat', 1, false, '{chat}', '2026-11-01');
insert into evaluation.evaluator_versions (evaluator, version, kind, status, current_from, current_to)
values
    ('helpfulness', '1.0.0+old', 'judge', 'retired', '2026-10-30', '2026-11-01 12:00+00'),
    ('helpfulness', '1.0.0+new', 'judge', 'active', '2026-11-01 12:00+00', null),
    ('helpfulness', '2.0.0+draft', 'judge', 'shadow', null, null),
    ('tone', '1.0.0+a', 'judge', 'active', '2026-10-30', null);
insert into evaluation.judges (
    judge, evaluator, rubric, provider, model, base_url, policy, evaluator_version_id
)
select
    evaluator, evaluator, 'x', 'openai', 'm', 'http://x/v1',
    case evaluator when 'tone' then 'chat' else 'half' end, id
from evaluation.evaluator_versions where kind = 'judge' and status = 'active';
insert into evaluation.judge_days (evaluator_version_id, day, policy)
select id, day, 'half' from evaluation.evaluator_versions
cross join (values (date '2026-10-31'), (date '2026-11-01')) as days (day)
where version = '1.0.0+old';
"""

# Half of the day is selected, of which a part is judged, a part unscored, and a part waits.
SELECTIONS = """
insert into evaluation.judge_selections (
    started_at, call_id, policy, probability, rate, phase, is_failure, stratum
)
select
    started_at, call_id, 'half', case get_byte(content_hash, 9) % 3 when 0 then 1 else 0.5 end, 0.5, 1,
    false, ''
from raw.llm_calls where get_byte(content_hash, 8) % 2 = 0
"""
JUDGEMENTS = """
insert into evaluation.judgements (
    started_at, call_id, evaluator_version_id, value, unscored_reason, judge_model, inclusion_probability,
    content_hash, policy
)
select
    selections.started_at, selections.call_id, versions.id,
    case when h % 7 > 1 then 1 + h % 5 end,
    case h % 7 when 0 then 'parse_error' when 1 then 'skipped_budget' end,
    'm', selections.probability, decode(md5((h % 50)::text), 'hex'), 'half'
from evaluation.judge_selections as selections
inner join raw.llm_calls as calls using (started_at, call_id)
cross join lateral (select get_byte(content_hash, 10) * 256 + get_byte(content_hash, 11) as h) as hashed
inner join evaluation.evaluator_versions as versions
    on versions.version = case when selections.started_at < '2026-11-01' then '1.0.0+old' else '1.0.0+new' end
    or versions.version = '2.0.0+draft'
where h % 11 <> 0
"""


@pytest.fixture(scope="module")
def built(seeded: DatabaseUrl, dbt: Dbt) -> DatabaseUrl:
    with connect(seeded) as connection:
        for statement in (JUDGES, SELECTIONS, JUDGEMENTS):
            connection.execute(statement)
        connection.commit()
    dbt.build(seeded, windows=days(FIRST_DAY, count=3), selector="day")
    return seeded


@pytest.fixture
def reader(built: DatabaseUrl) -> Iterator[psycopg.Connection[TupleRow]]:
    with connect(built) as connection:
        yield connection


@pytest.fixture
def expected(reader: psycopg.Connection[TupleRow]) -> list[dict[str, Any]]:
    """One record per call and version that answers for it, by the definition in words."""
    calls = records(
        reader,
        "select started_at, call_id, model, project, is_failed,"
        " evaluation.sample_point(call_id, 'half') as point from marts.calls",
    )
    judged = {
        (row["call_id"], row["version"]): row
        for row in records(
            reader,
            "select judgements.*, version from evaluation.judgements"
            " inner join evaluation.evaluator_versions as v on v.id = evaluator_version_id",
        )
    }
    selected = {row["call_id"] for row in records(reader, "select call_id from evaluation.judge_selections")}
    return [record for call in calls for record in _of_call(call, judged=judged, selected=selected)]


def _of_call(
    call: dict[str, Any], *, judged: dict[Any, dict[str, Any]], selected: set[Any]
) -> Iterator[dict[str, Any]]:
    # The new version took over at noon: what it says of the morning, and a draft of any hour, counts nowhere.
    is_new = call["started_at"] >= TAKEN_OVER
    versions = [("helpfulness", "1.0.0+new" if is_new else "1.0.0+old")]
    if call["started_at"].date().isoformat() >= "2026-11-01" and call["project"] == "chat":
        versions.append(("tone", "1.0.0+a"))
    for evaluator, version in versions:
        judgement = judged.get((call["call_id"], version))
        is_selected = call["call_id"] in selected and evaluator == "helpfulness"
        if judgement is not None:
            outcome = judgement["unscored_reason"] or "scored"
        elif is_selected:
            outcome = "superseded" if version.endswith("old") else "pending"
        elif evaluator == "tone" or (version.endswith("new") and (call["point"] < 0.5 or call["is_failed"])):
            outcome = "pending"
        else:
            outcome = "sampled_out"
        yield {
            "hour": call["started_at"].replace(minute=0, second=0, microsecond=0),
            "day": call["started_at"].date(),
            "model": call["model"],
            "project": call["project"],
            "evaluator": evaluator,
            "evaluator_version": version,
            "outcome": outcome,
            "value": None if judgement is None or judgement["value"] is None else float(judgement["value"]),
            "weight": None if judgement is None else 1 / judgement["inclusion_probability"],
            "cluster": None if judgement is None else judgement["content_hash"],
        }


@pytest.mark.parametrize(
    ("mart", "keys"),
    [
        ("quality_hourly", ("hour", "model", "project", "evaluator", "evaluator_version")),
        ("evaluation_coverage", ("day", "evaluator", "evaluator_version")),
    ],
)
def test_the_ledger_of_judges_counts_every_call_once(
    reader: psycopg.Connection[TupleRow], expected: list[dict[str, Any]], mart: str, keys: tuple[str, ...]
) -> None:
    wanted: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for record in expected:
        wanted[tuple(record[key] for key in keys)][record["outcome"]] += 1
    found = {
        tuple(row[key] for key in keys): row
        for row in records(reader, f"select * from marts.{mart} where kind <> 'rule'")
    }
    assert found.keys() == wanted.keys()
    for key, row in found.items():
        counts = wanted[key]
        assert row["n_eligible"] == counts.total()
        assert row["n_scored"] == counts.pop("scored", 0)
        assert row["n_pending"] == counts.pop("pending", 0)
        assert row["n_sampled_out"] == counts.pop("sampled_out", 0)
        assert (row["n_unscored"], row["unscored_by_reason"]) == (counts.total(), dict(counts))
        assert row["n_failed"] is None
        assert row["coverage"] == row["n_scored"] / row["n_eligible"]
    reasons = {reason for row in found.values() for reason in row["unscored_by_reason"]}
    assert reasons == {"parse_error", "skipped_budget", "superseded"}


@pytest.mark.parametrize(("mart", "period"), [("quality_hourly", "hour"), ("judge_quality_daily", "day")])
def test_mean_grades_are_weighted_and_their_interval_is_clustered(
    reader: psycopg.Connection[TupleRow], expected: list[dict[str, Any]], mart: str, period: str
) -> None:
    keys = (period, "model", "project", "evaluator", "evaluator_version")
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for record in expected:
        if record["outcome"] == "scored":
            groups[tuple(record[key] for key in keys)].append(record)
    where = "kind <> 'rule' and n_scored > 0" if mart == "quality_hourly" else "true"
    found = records(reader, f"select * from marts.{mart} where {where}")
    assert {tuple(row[key] for key in keys) for row in found} == groups.keys()
    n_intervals = 0
    for row in found:
        scored = groups[tuple(row[key] for key in keys)]
        weights = sum(each["weight"] for each in scored)
        mean = sum(each["weight"] * each["value"] for each in scored) / weights
        residuals: dict[bytes, float] = defaultdict(float)
        for each in scored:
            residuals[each["cluster"]] += each["weight"] * (each["value"] - mean)
        n = len(residuals)
        assert (row["n_scored"], row["n_clusters"]) == (len(scored), n)
        assert row["mean_score"] == pytest.approx(mean)
        error = sqrt(sum(r * r for r in residuals.values()) * n / (n - 1)) / weights if n > 1 else 0
        if error < 1e-6:
            assert row["mean_score_low"] is row["mean_score_high"] is None
        elif n - 1 in T:
            n_intervals += 1
            assert row["mean_score_low"] == pytest.approx(mean - T[n - 1] * error, rel=2e-3)
            assert row["mean_score_high"] == pytest.approx(mean + T[n - 1] * error, rel=2e-3)
    assert n_intervals


def test_rules_have_no_mean_and_judges_no_pass_rate(reader: psycopg.Connection[TupleRow]) -> None:
    rows = records(
        reader,
        "select kind, count(*) as n, count(pass_rate) as n_rates, count(mean_score) as n_means,"
        " count(n_failed) as n_failed from marts.quality_hourly group by 1",
    )
    by_kind = {row["kind"]: row for row in rows}
    assert by_kind.keys() == {"rule", "judge"}
    assert by_kind["rule"]["n_means"] == by_kind["judge"]["n_rates"] == by_kind["judge"]["n_failed"] == 0
    assert by_kind["judge"]["n_means"] and by_kind["rule"]["n_rates"]


def test_spend_on_judges_stands_in_its_own_mart_and_in_no_other(
    reader: psycopg.Connection[TupleRow],
) -> None:
    (raw,) = records(
        reader,
        "select count(*) as n, (select sum(amount_usd) from cost.charges inner join raw.llm_calls"
        " using (started_at, call_id) where purpose = 'judge') as usd"
        " from raw.llm_calls where purpose = 'judge'",
    )
    (told,) = records(
        reader, "select sum(n_calls)::int as n, sum(amount_usd) as usd from marts.judge_cost_hourly"
    )
    (by_day,) = records(
        reader, "select sum(n_calls)::int as n, sum(amount_usd) as usd from marts.judge_cost_daily"
    )
    assert raw["n"] == told["n"] == by_day["n"] > 0
    assert told["usd"] == by_day["usd"]
    (others,) = records(reader, "select count(*) as n from marts.calls where purpose = 'judge'")
    assert others["n"] == 0
