"""Golden sets: frozen, judged once a day, and a judge that moves is seen and not taken for the product."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.judging.items import JudgeItem, Message
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.calibration.golden_items import (
    GoldenError,
    GoldenItem,
    add_items,
    items_of_calls,
    items_of_file,
    list_sets,
    read_items,
    remove_items,
)
from orchestration.calibration.golden_runs import run_golden_sets
from orchestration.judging.judges import Judge, add_judge, rubric_text
from orchestration.judging.policies import Policy, put_policy
from tests.judge_endpoint import JudgeEndpoint, Reply, judge_endpoint_in_thread, verdict
from tests.orchestration.calibration.seeded import add_distinct_calls
from tests.orchestration.seeding import count, rows

Connection = psycopg.Connection[TupleRow]
TODAY = datetime(2026, 11, 1, 9, tzinfo=UTC)


def golden(number: int, **given: Any) -> GoldenItem:
    item = JudgeItem(
        call_id="",
        started_at=TODAY,
        conversation=(Message("user", f"Question {number}?"),),
        answer=f"Answer {number}.",
        **given,
    )
    return GoldenItem(item)


@pytest.fixture
def endpoint() -> Iterator[JudgeEndpoint]:
    with judge_endpoint_in_thread(JudgeEndpoint(answer=lambda _: Reply(content=verdict(4)))) as served:
        yield served


@pytest.fixture
def judged(connection: Connection, endpoint: JudgeEndpoint) -> Judge:
    """A judge at the endpoint, and a set of thirty items."""
    put_policy(connection, Policy(policy="all"))
    text, rubric = rubric_text("helpfulness")
    made = add_judge(
        connection,
        Judge(
            judge="helper",
            evaluator=rubric.name,
            rubric=text,
            provider="house",
            model="judge-1",
            base_url=endpoint.url,
            policy="all",
        ),
    )
    add_items(connection, "core", [golden(number) for number in range(30)])
    return made


def test_an_item_is_frozen_and_added_once(connection: Connection) -> None:
    odd = golden(1, context="문맥 🙂 \0 \ud800", reference="ref", models=("m",))
    assert add_items(connection, "core", [odd, golden(2)]) == 2
    assert add_items(connection, "core", [odd]) == 0
    held = read_items(connection, "core")
    assert {one.item.content_hash for one in held} == {odd.item.content_hash, golden(2).item.content_hash}
    assert next(one for one in held if one.item.reference).item.context == odd.item.context


def test_a_call_is_copied_so_that_retention_cannot_reach_it(connection: Connection) -> None:
    call = add_distinct_calls(connection, 1)[0]
    add_items(connection, "core", items_of_calls(connection, [str(call)]))
    with connection.transaction():
        connection.execute("delete from raw.llm_bodies")
    held = read_items(connection, "core")[0]
    assert held.call_id == call
    assert held.item.answer.startswith("The answer to question")
    assert held.item.conversation[0].text == "Please answer the question."


@pytest.mark.parametrize("named", ["no id", "018f0000-0000-7000-8000-000000000000"])
def test_a_call_that_is_not_there_is_told(connection: Connection, named: str) -> None:
    with pytest.raises(GoldenError, match="call"):
        items_of_calls(connection, [named])


def test_a_call_without_text_cannot_be_golden(connection: Connection) -> None:
    call = add_distinct_calls(connection, 1)[0]
    with connection.transaction():
        connection.execute("delete from raw.llm_bodies")
    with pytest.raises(GoldenError, match="no text"):
        items_of_calls(connection, [str(call)])


def test_items_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    lines = [
        {"prompt": "Q?", "answer": "A.", "expected": 2},
        {"conversation": [{"role": "system", "text": "S"}, {"role": "user", "text": "Q"}], "answer": "B"},
    ]
    path.write_text("\n\n".join(json.dumps(line) for line in lines))
    first, second = items_of_file(path)
    assert (first.expected, first.item.conversation) == (2.0, (Message("user", "Q?"),))
    assert [turn.role for turn in second.item.conversation] == ["system", "user"]


@pytest.mark.parametrize(
    "line",
    ['{"answer": "A"}', '{"prompt": "Q", "answer": ""}', '{"prompt": "Q"}', "[]", '{"prompt": "Q", "x": 1}'],
)
def test_a_bad_line_of_a_file_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text('{"prompt": "Q", "answer": "A"}\n' + line)
    with pytest.raises(GoldenError, match="line 2"):
        list(items_of_file(path))


def test_an_item_is_taken_out_and_comes_back_as_it_was(connection: Connection) -> None:
    add_items(connection, "core", [golden(1), golden(2)])
    name = golden(1).item.content_hash.hex()[:12]
    assert remove_items(connection, "core", starting=name) == 1
    assert remove_items(connection, "core", starting=name) == 0
    assert list_sets(connection)[0].n_items == 1
    assert add_items(connection, "core", [golden(1)]) == 1
    assert list_sets(connection)[0].n_items == 2
    for wrong in ("ab", "%%%%%%", "ZZZZZZZ"):
        with pytest.raises(GoldenError, match="hex"):
            remove_items(connection, "core", starting=wrong)


def test_a_name_that_is_none_is_refused(connection: Connection) -> None:
    with pytest.raises(GoldenError, match="name"):
        add_items(connection, "Core set!", [golden(1)])


def test_a_set_is_judged_once_a_day(connection: Connection, endpoint: JudgeEndpoint, judged: Judge) -> None:
    first = run_golden_sets(connection, now=TODAY)[0]
    again = run_golden_sets(connection, now=TODAY + timedelta(hours=5))[0]
    assert (first.n_asked, again.n_asked, endpoint.paid) == (30, 0, 30)
    assert (again.drift.n, again.drift.is_drift) == (30, False)
    next_day = run_golden_sets(connection, now=TODAY + timedelta(days=1))[0]
    assert (next_day.n_asked, endpoint.paid) == (30, 60)
    assert next_day.baseline_day == TODAY.date()


def test_what_the_judge_cost_lands_as_its_calls(connection: Connection, judged: Judge) -> None:
    run_golden_sets(connection, now=TODAY)
    assert count(connection, "raw.llm_calls", where="purpose = 'judge'") == 30
    assert count(connection, "evaluation.judgements") == 0
    linked = rows(
        connection,
        "select count(*) from evaluation.golden_scores as scores inner join raw.llm_calls as calls"
        " on calls.call_id = scores.judge_call_id",
    )
    assert linked == [(30,)]


def test_a_judge_that_grades_lower_drifts(
    connection: Connection, endpoint: JudgeEndpoint, judged: Judge
) -> None:
    run_golden_sets(connection, now=TODAY)
    endpoint.answer = lambda _: Reply(content=verdict(3), model="judge-1-2026-11-02")
    moved = run_golden_sets(connection, now=TODAY + timedelta(days=1))[0]
    assert moved.drift.is_drift
    assert (moved.drift.shift.value, moved.drift.flips.value) == (-1.0, 1.0)
    stored = rows(
        connection, "select day, n, is_drift, judge_models from evaluation.golden_drift order by day"
    )
    assert [row[1:3] for row in stored] == [(30, False), (30, True)]
    assert stored[1][3] == ["judge-1-2026-11-02"]


def test_what_failed_is_asked_again_and_what_was_answered_is_not(
    connection: Connection, endpoint: JudgeEndpoint, judged: Judge
) -> None:
    endpoint.script.extend([Reply(content="no verdict")] * 4)
    run_golden_sets(connection, now=TODAY)
    unscored = "unscored_reason = 'parse_error'"
    assert count(connection, "evaluation.golden_scores", where=unscored) == 4
    again = run_golden_sets(connection, now=TODAY + timedelta(hours=1))[0]
    assert (again.n_asked, endpoint.paid) == (4, 34)
    assert count(connection, "evaluation.golden_scores", where=unscored) == 0


def test_an_endpoint_that_is_down_is_told_and_nothing_is_lost(
    connection: Connection, endpoint: JudgeEndpoint, judged: Judge
) -> None:
    endpoint.script.extend([Reply(content=verdict(5))] * 10)
    endpoint.answer = lambda _: Reply(status=401, body=b'{"error": {"message": "bad key"}}')
    with pytest.raises(GoldenError, match="helper"):
        run_golden_sets(connection, now=TODAY)
    assert count(connection, "evaluation.golden_scores", where="value = 5") == 10


def test_two_runs_at_once_pay_for_each_item_once(
    connection: Connection, warehouse: DatabaseUrl, endpoint: JudgeEndpoint, judged: Judge
) -> None:
    endpoint.latency_s = 0.02

    def run(_: int) -> int:
        with connect(warehouse) as own:
            return run_golden_sets(own, now=TODAY)[0].n_asked

    with ThreadPoolExecutor(2) as both:
        assert sorted(both.map(run, range(2))) == [0, 30]
    assert endpoint.paid == 30


def test_a_judge_that_cannot_be_asked_stops_no_other(
    connection: Connection, endpoint: JudgeEndpoint, judged: Judge
) -> None:
    text, rubric = rubric_text("tone")
    absent = {
        "judge": "absent",
        "evaluator": rubric.name,
        "rubric": text,
        "secret_ref": "env:LQO_TEST_NO_KEY",
    }
    add_judge(connection, replace(judged, **absent, evaluator_version_id=None))
    with pytest.raises(GoldenError, match="absent"):
        run_golden_sets(connection, now=TODAY)
    assert endpoint.paid == 30
    assert count(connection, "evaluation.golden_drift") == 1


def test_a_disabled_judge_is_not_asked(
    connection: Connection, endpoint: JudgeEndpoint, judged: Judge
) -> None:
    with connection.transaction():
        connection.execute("update evaluation.judges set is_enabled = false")
    assert run_golden_sets(connection, now=TODAY) == []
    assert endpoint.requests == 0


def test_the_reader_sees_scores_and_not_the_texts(connection: Connection) -> None:
    if not count(connection, "pg_roles", where="rolname = 'lqo_reader'"):
        pytest.skip("the role lqo_reader is the embedded server's")
    expected = {
        ("golden_items", "item"): False,
        ("golden_items", "added_at"): True,
        ("golden_scores", "explanation"): False,
        ("golden_scores", "value"): True,
        ("golden_drift", "shift"): True,
        ("labels", "label"): True,
    }
    for (table, column), may_read in expected.items():
        asked = connection.execute(
            "select has_column_privilege('lqo_reader', %s, %s, 'select')", (f"evaluation.{table}", column)
        )
        assert asked.fetchone() == (may_read,), (table, column)
