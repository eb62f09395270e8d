"""The demo's simulated judge: what it is asked over real HTTP, once, and what it makes of bad answers."""

from datetime import UTC, date, datetime

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.demo.judging import NAME, judge_sample, judged_days, verdict
from orchestration.demo.models import LOOPS, REFUSALS, REGRESSED_MODEL
from orchestration.demo.traffic import Plan
from orchestration.judging.judges import JudgeError, list_judges
from tests.orchestration.judging.setting import judge, policy
from tests.orchestration.seeding import add_calls, rows

Connection = psycopg.Connection[TupleRow]

PLAN = Plan(anchor=date(2026, 10, 19), until=datetime(2026, 10, 19, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("answer", "grades"),
    [
        ("Thank you for your message, the parcel is on its way.", {4, 5}),
        ("고객님, 배송이 늦어져 사과드립니다. 🙏", {4, 5}),
        ('{"customer": "김서연", "refund": true}', {4, 5}),
        ('{"customer": "김서연", }', {2}),
        ("Thank you for your mess", {2}),
        (REFUSALS["ko"], {1}),
        (LOOPS["en"] * 30, {1}),
    ],
)
def test_bad_answers_get_bad_grades(answer: str, grades: set[int]) -> None:
    assert verdict(answer)[0] in grades
    assert verdict(answer) == verdict(answer)


def test_a_sample_is_asked_about_once_and_the_judge_is_let_go(connection: Connection) -> None:
    first = judged_days(PLAN, first=PLAN.first_day).start
    add_calls(connection, 500, start=first, model=REGRESSED_MODEL)
    connection.execute("update raw.llm_calls set content_hash = uuid_send(call_id)")
    connection.commit()

    run = judge_sample(connection, PLAN, first=PLAN.first_day)
    assert 15 < run.written.n_calls < 60
    assert run.written.outcomes.keys() == {"scored"}
    again = judge_sample(connection, PLAN, first=PLAN.first_day)
    assert (again.written.n_calls, again.written.n_paid) == (0, 0)
    assert [(one.judge, one.is_enabled) for one in list_judges(connection)] == [(NAME, False)]
    landed = rows(connection, "select count(*) from raw.llm_calls where purpose = 'judge'")
    assert landed == [(run.written.n_paid,)]


def test_a_judge_of_ones_own_is_left_alone(connection: Connection) -> None:
    policy(connection)
    judge(connection, "http://127.0.0.1:1/v1")
    with pytest.raises(JudgeError, match="another judge"):
        judge_sample(connection, PLAN, first=PLAN.first_day)
    assert [(one.judge, one.is_enabled) for one in list_judges(connection)] == [("helpful", True)]
