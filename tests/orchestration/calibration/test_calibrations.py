"""Calibrations in the warehouse: by version and stratum, the same on every run, and a gate."""

from datetime import timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.calibration.calibrations import calibrate_versions
from orchestration.calibration.labelled_calls import labelled_calls, read_version
from orchestration.calibration.pass_rates import store_pass_rates
from orchestration.calibration.state import (
    calibration_standing,
    calibration_state,
    may_alert,
    trusted_versions,
)
from tests.orchestration.calibration.seeded import (
    add_distinct_calls,
    add_version,
    judge,
    judged_and_labelled,
    label,
)
from tests.orchestration.seeding import DAY_START, plan_nodes, rows

Connection = psycopg.Connection[TupleRow]


def test_a_judge_that_agrees_with_people_may_alert(connection: Connection) -> None:
    version = add_version(connection)
    judged_and_labelled(connection, add_distinct_calls(connection, 300), version, accuracy=0.95, n_labels=200)
    found = calibrate_versions(connection)[0]
    assert found.overall.n == 200
    assert found.overall.agreement.kappa.value > 0.8
    assert calibration_state(connection, version) == "ok"
    assert may_alert(connection, version)
    stored = rows(
        connection,
        "select n, n_clusters, agreement, kappa_low from evaluation.calibrations where stratum = 'overall'",
    )
    assert stored == [(200, 200, found.overall.agreement.raw.value, found.overall.agreement.kappa.low)]


def test_a_coin_is_refused(connection: Connection) -> None:
    version = add_version(connection)
    judged_and_labelled(connection, add_distinct_calls(connection, 300), version, accuracy=0.5, n_labels=300)
    calibrate_versions(connection)
    assert calibration_state(connection, version) == "degraded"
    assert not may_alert(connection, version)
    assert "chance" in calibration_standing(connection, version).reasons[0]


def test_what_nobody_has_compared_is_uncalibrated_and_may_not_alert(connection: Connection) -> None:
    version = add_version(connection)
    assert calibration_state(connection, version) == "uncalibrated"
    assert not may_alert(connection, version)
    judged_and_labelled(connection, add_distinct_calls(connection, 50), version, accuracy=1.0, n_labels=30)
    calibrate_versions(connection)
    assert calibration_state(connection, version) == "uncalibrated"
    assert "20 labels of each class" in calibration_standing(connection, version).reasons[0]


def test_rules_are_trusted_until_labels_contradict_them_and_drafts_never(connection: Connection) -> None:
    rule = add_version(connection, evaluator="refusal", kind="rule")
    draft = add_version(connection, evaluator="pii", kind="rule", status="draft")
    assert trusted_versions(connection) == {rule}
    with connection.transaction():
        connection.execute(
            "insert into evaluation.calibrations"
            " (evaluator_version_id, stratum, n, n_clusters, figures, state)"
            " values (%s, 'overall', 100, 100, '{}', 'degraded')",
            (rule,),
        )
    assert trusted_versions(connection) == set()
    assert draft not in trusted_versions(connection)


def test_strata_stand_apart(connection: Connection) -> None:
    version = add_version(connection)
    good = add_distinct_calls(connection, 150, model="good", prompt="summary")
    bad = add_distinct_calls(connection, 150, model="bad", seed="b", start=DAY_START + timedelta(hours=1))
    judged_and_labelled(connection, good, version, accuracy=0.97, n_labels=150)
    judged_and_labelled(connection, bad, version, accuracy=0.5, n_labels=150, seed=2)
    found = calibrate_versions(connection)[0]
    assert set(found.strata) == {("overall", ""), ("model", "good"), ("model", "bad"), ("prompt", "summary")}
    assert calibration_state(connection, version, model="good") == "ok"
    assert calibration_state(connection, version, model="bad") == "degraded"
    assert calibration_state(connection, version, model="unseen") == "uncalibrated"


def test_a_second_run_writes_nothing(connection: Connection) -> None:
    version = add_version(connection)
    judged_and_labelled(connection, add_distinct_calls(connection, 200), version, accuracy=0.8, n_labels=150)
    calibrate_versions(connection)
    before = rows(connection, "select *, xmin from evaluation.calibrations order by stratum, name")
    calibrate_versions(connection)
    assert rows(connection, "select *, xmin from evaluation.calibrations order by stratum, name") == before


def test_a_state_that_changes_says_since_when_and_a_stratum_that_goes_is_gone(connection: Connection) -> None:
    version = add_version(connection)
    calls = add_distinct_calls(connection, 200, model="m")
    said = judged_and_labelled(connection, calls, version, accuracy=0.95, n_labels=200)
    calibrate_versions(connection)
    since = rows(connection, "select state_since from evaluation.calibrations where stratum = 'overall'")
    with connection.transaction():
        connection.execute("update raw.llm_calls set requested_model = 'renamed'")
    wrong = {call: "fail" if word == "pass" else "pass" for call, word in said.items()}
    label(connection, wrong)
    calibrate_versions(connection)
    found = rows(
        connection, "select stratum, name, state, state_since from evaluation.calibrations order by 1 desc"
    )
    assert [row[:3] for row in found] == [("overall", "", "degraded"), ("model", "renamed", "degraded")]
    assert found[0][3] > since[0][0]


def test_only_blind_labels_calibrate(connection: Connection) -> None:
    version = add_version(connection)
    calls = add_distinct_calls(connection, 100)
    judge(connection, version, dict.fromkeys(calls, 5))
    label(connection, dict.fromkeys(calls, "pass"), is_blind=False)
    assert calibrate_versions(connection)[0].overall.n == 0


def test_several_raters_make_a_majority_and_their_own_alpha(connection: Connection) -> None:
    version = add_version(connection)
    calls = add_distinct_calls(connection, 60)
    judge(connection, version, {call: 5 if n % 2 else 1 for n, call in enumerate(calls)})
    said = {call: "pass" if n % 2 else "fail" for n, call in enumerate(calls)}
    other = {call: "fail" if n < 10 else word for n, (call, word) in enumerate(said.items())}
    for rater, words in (("ann", said), ("bo", said), ("cy", other)):
        label(connection, words, rater=rater)
    overall = calibrate_versions(connection)[0].overall
    assert (overall.n, overall.agreement.raw.value) == (60, 1.0)
    assert overall.human.n == 60
    assert 0.7 < overall.human.value < 1


def test_calls_in_quarantine_are_left_out(connection: Connection) -> None:
    version = add_version(connection)
    calls = add_distinct_calls(connection, 40)
    judged_and_labelled(connection, calls, version, accuracy=1.0, n_labels=40)
    with connection.transaction():
        connection.execute(
            "insert into evaluation.quarantine (started_at, call_id, check_name, reason)"
            " values (ingest.uuid7_time(%s), %s, 'time', 'test')",
            (calls[0], calls[0]),
        )
    assert calibrate_versions(connection)[0].overall.n == 39


def test_a_conversation_is_one_cluster(connection: Connection) -> None:
    version = add_version(connection)
    calls = add_distinct_calls(connection, 90)
    judged_and_labelled(connection, calls, version, accuracy=0.9, n_labels=90)
    with connection.transaction():
        connection.execute(
            "update raw.llm_calls set session_id = 's' || (extract(second from started_at)::int % 30)"
        )
    overall = calibrate_versions(connection)[0].overall
    assert (overall.n, overall.n_clusters) == (90, 30)


def test_versions_are_compared_one_by_one(connection: Connection) -> None:
    old, new = add_version(connection), add_version(connection, version="2.0.0+b")
    calls = add_distinct_calls(connection, 120)
    judged_and_labelled(connection, calls, old, accuracy=0.95, n_labels=120)
    judge(connection, new, {call: 5 if n % 2 else 1 for n, call in enumerate(calls)})
    calibrate_versions(connection)
    assert calibration_state(connection, old) == "ok"
    assert calibration_state(connection, new) == "degraded"


def test_answers_outside_the_protocol_count_against_a_judge(connection: Connection) -> None:
    version = add_version(connection)
    calls = add_distinct_calls(connection, 300)
    judged_and_labelled(connection, calls[:200], version, accuracy=0.97, n_labels=200)
    judge(connection, version, dict.fromkeys(calls[200:210], "parse_error"))
    store_pass_rates(connection, [DAY_START.date()])
    found = calibrate_versions(connection)[0].overall
    assert (found.parse_errors.value, found.parse_errors.n) == (pytest.approx(10 / 210), 210)
    assert calibration_state(connection, version) == "degraded"


def test_golden_verdicts_that_change_from_day_to_day_are_flips(connection: Connection) -> None:
    version = add_version(connection)
    judged_and_labelled(connection, add_distinct_calls(connection, 200), version, accuracy=0.97, n_labels=200)
    with connection.transaction():
        connection.execute(
            "insert into evaluation.golden_items (golden_set, content_hash, item)"
            " select 'core', int4send(n), '{}' from generate_series(1, 40) as n"
        )
        connection.execute(
            "insert into evaluation.golden_scores"
            " (golden_set, content_hash, evaluator_version_id, day, value, judge_model)"
            " select 'core', int4send(n), %s, date '2026-10-14' + d,"
            " case when d = 1 and n <= 12 then 1 else 5 end, 'judge-1'"
            " from generate_series(1, 40) as n, generate_series(0, 1) as d",
            (version,),
        )
    found = calibrate_versions(connection)[0].overall
    assert (found.flips.value, found.flips.n) == (0.3, 40)
    assert calibration_state(connection, version) == "degraded"


def test_labels_of_rules_calibrate_rules(connection: Connection) -> None:
    version = add_version(connection, evaluator="refusal", kind="rule")
    calls = add_distinct_calls(connection, 100)
    with connection.transaction():
        row = connection.execute(
            "insert into evaluation.rule_sets (hash) values ('h') returning id"
        ).fetchone()
        assert row
        connection.execute("insert into evaluation.rule_set_members values (%s, %s)", (row[0], version))
        connection.execute(
            "insert into evaluation.rule_results (started_at, call_id, rule_set_version, failed)"
            " select started_at, call_id, %s, case when extract(second from started_at)::int %% 3 = 0"
            " then '{refusal}'::text[] else '{}' end from raw.llm_calls",
            (row[0],),
        )
    failing = {
        c for (c,) in rows(connection, "select call_id from evaluation.rule_results where failed <> '{}'")
    }
    label(connection, {c: "fail" if c in failing else "pass" for c in calls}, evaluator="refusal")
    found = calibrate_versions(connection)[0].overall
    assert (found.n, found.agreement.raw.value) == (100, 1.0)
    assert may_alert(connection, version)


def test_reading_labels_probes_verdicts_by_their_key(connection: Connection) -> None:
    version = add_version(connection)
    calls = add_distinct_calls(connection, 3_000)
    judged_and_labelled(connection, calls, version, accuracy=0.9, n_labels=20)
    with connection.transaction():
        connection.execute("analyze evaluation.judgements, evaluation.labels, raw.llm_calls")
    from orchestration.calibration.labelled_calls import LABELLED

    given = {"evaluator": "helpfulness", "version": "1.0.0+a", "from": None, "to": None}
    scanned = [
        node["Relation Name"]
        for node in plan_nodes(connection, LABELLED, given)
        if node["Node Type"] == "Seq Scan"
    ]
    assert not any(name.startswith(("judgements", "llm_calls")) for name in scanned)


def test_an_unknown_version_is_told(connection: Connection) -> None:
    with pytest.raises(LookupError, match="12345"):
        read_version(connection, 12345)


def test_labels_outside_a_range_are_not_read(connection: Connection) -> None:
    version = add_version(connection)
    judged_and_labelled(connection, add_distinct_calls(connection, 20), version, accuracy=1.0, n_labels=20)
    known = read_version(connection, version)
    assert len(labelled_calls(connection, known, start=DAY_START, end=DAY_START + timedelta(seconds=5))) == 5
