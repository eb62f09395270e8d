"""Pass rates of a day: raw, corrected by labels, and honest where labels are too few."""

from datetime import timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.calibration.pass_rates import store_pass_rates
from orchestration.calibration.recalibration import recalibrate
from tests.orchestration.calibration.seeded import (
    add_distinct_calls,
    add_version,
    judge,
    judged_and_labelled,
    label,
)
from tests.orchestration.seeding import DAY_START, rows

Connection = psycopg.Connection[TupleRow]
DAY = DAY_START.date()
RATES = (
    "select stratum, name, n, raw, n_labels, corrected, corrected_low, corrected_high, not_corrected"
    " from evaluation.pass_rates order by day, stratum desc, name"
)


def overall(connection: Connection) -> TupleRow:
    return rows(connection, RATES)[0]  # type: ignore[arg-type]


def test_a_lenient_judge_is_corrected_towards_people(connection: Connection) -> None:
    version = add_version(connection)
    calls = add_distinct_calls(connection, 1_000)
    # People pass 60 %, the judge 80 %: all of theirs and every second one of the others.
    people = {call: n % 5 < 3 for n, call in enumerate(calls)}
    judge(connection, version, {call: 5 if people[call] or n % 2 else 1 for n, call in enumerate(calls)})
    label(connection, {call: "pass" if people[call] else "fail" for call in calls[:250]})
    assert store_pass_rates(connection, [DAY]) == 2
    stratum, _, n, raw, n_labels, corrected, low, high, why = overall(connection)
    assert (stratum, n, n_labels, why) == ("overall", 1_000, 250, None)
    assert raw == pytest.approx(0.8)
    assert low < 0.6 < high
    assert corrected == pytest.approx(0.6, abs=0.03)
    assert high < raw


def test_few_labels_leave_the_raw_rate_and_a_reason(connection: Connection) -> None:
    version = add_version(connection)
    judged_and_labelled(connection, add_distinct_calls(connection, 100), version, accuracy=0.9, n_labels=29)
    store_pass_rates(connection, [DAY])
    _, _, n, raw, n_labels, corrected, _, _, why = overall(connection)
    assert (n, n_labels, corrected) == (100, 29, None)
    assert raw is not None
    assert why == "29 labels in 90 days, needs 30"


def test_labels_of_the_days_before_count_and_of_later_days_do_not(connection: Connection) -> None:
    version = add_version(connection)
    before = add_distinct_calls(connection, 60, start=DAY_START - timedelta(days=3), seed="b")
    today = add_distinct_calls(connection, 80)
    later = add_distinct_calls(connection, 60, start=DAY_START + timedelta(days=2), seed="c")
    for number, calls in enumerate((before, today, later)):
        judged_and_labelled(
            connection, calls, version, accuracy=0.9, n_labels=60 if calls != today else 0, seed=number
        )
    store_pass_rates(connection, [DAY])
    _, _, n, _, n_labels, corrected, _, _, _ = overall(connection)
    assert (n, n_labels) == (80, 60)
    assert corrected is not None


def test_a_stratum_is_corrected_by_its_own_labels(connection: Connection) -> None:
    version = add_version(connection)
    one = add_distinct_calls(connection, 60, model="one")
    two = add_distinct_calls(connection, 60, model="two", seed="b", start=DAY_START + timedelta(hours=1))
    judged_and_labelled(connection, one, version, accuracy=0.9, n_labels=60)
    judged_and_labelled(connection, two, version, accuracy=0.9, n_labels=5)
    store_pass_rates(connection, [DAY])
    found = {row[1]: (row[4], row[5] is None) for row in rows(connection, RATES)}  # type: ignore[arg-type]
    assert found == {"": (65, False), "one": (60, False), "two": (5, True)}


def test_weights_undo_the_sampling(connection: Connection) -> None:
    version = add_version(connection)
    calls = add_distinct_calls(connection, 110)
    judge(connection, version, dict.fromkeys(calls[:10], 1), probability=1.0)
    judge(connection, version, dict.fromkeys(calls[10:], 5), probability=0.1)
    store_pass_rates(connection, [DAY])
    assert overall(connection)[3] == pytest.approx(1_000 / 1_010)


def test_what_has_no_verdict_is_not_in_the_rate(connection: Connection) -> None:
    version = add_version(connection)
    calls = add_distinct_calls(connection, 50)
    judge(connection, version, dict.fromkeys(calls[:40], 5))
    judge(connection, version, dict.fromkeys(calls[40:46], "parse_error"))
    judge(connection, version, dict.fromkeys(calls[46:], "not_applicable"))
    store_pass_rates(connection, [DAY])
    assert overall(connection)[2:4] == (40, 1.0)
    assert rows(connection, "select n_parse_errors from evaluation.pass_rates where stratum = 'overall'") == [
        (6,)
    ]


def test_a_day_of_nothing_but_errors_has_no_rate(connection: Connection) -> None:
    version = add_version(connection)
    judge(connection, version, dict.fromkeys(add_distinct_calls(connection, 5), "parse_error"))
    store_pass_rates(connection, [DAY])
    assert overall(connection)[2:] == (0, None, 0, None, None, None, "no verdicts")


def test_a_run_replaces_exactly_its_days(connection: Connection) -> None:
    version = add_version(connection)
    yesterday = add_distinct_calls(connection, 40, start=DAY_START - timedelta(days=1), seed="y")
    today = add_distinct_calls(connection, 40)
    for calls in (yesterday, today):
        judged_and_labelled(connection, calls, version, accuracy=0.9, n_labels=0)
    store_pass_rates(connection, [DAY - timedelta(days=1), DAY])
    first = rows(connection, "select * from evaluation.pass_rates order by day, stratum, name")
    store_pass_rates(connection, [DAY - timedelta(days=1), DAY])
    assert rows(connection, "select * from evaluation.pass_rates order by day, stratum, name") == first
    with connection.transaction():
        connection.execute("update evaluation.judgements set value = 1")
    store_pass_rates(connection, [DAY])
    raw = dict(rows(connection, "select day, raw from evaluation.pass_rates where stratum = 'overall'"))
    assert raw[DAY - timedelta(days=1)] > 0
    assert raw[DAY] == 0


def test_new_labels_correct_their_days_at_once(connection: Connection) -> None:
    version = add_version(connection)
    calls = add_distinct_calls(connection, 100)
    judged_and_labelled(connection, calls, version, accuracy=0.9, n_labels=80)
    found = recalibrate(connection, evaluators={"helpfulness"}, days={DAY})
    assert [one.overall.n for one in found] == [80]
    assert overall(connection)[5] is not None


def test_no_new_labels_cost_nothing(connection: Connection) -> None:
    assert recalibrate(connection, evaluators=set(), days=set()) == []
