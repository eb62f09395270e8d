"""Batches that fail in whole or in part, and providers that are wrong, slow, gone or hostile."""

import json
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.judging.batches import custom_id
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.judging import batches_collect, batches_tend
from orchestration.judging.batches_collect import collect_batch, poll_pause
from orchestration.judging.batches_provider import ENDED
from orchestration.judging.batches_submit import holding
from orchestration.judging.batches_tend import look_around, tend_batches
from orchestration.judging.batches_window import ask_again
from orchestration.judging.judges import list_judges
from tests.batch_provider import KEY, BatchProvider, Json, completion, refusal
from tests.orchestration.judging.batching import (
    KEY_VARIABLE,
    USD_A_REQUEST,
    ask,
    batch_judge,
    batch_states,
    desk_of,
    finish,
    make_older,
    only_batch,
    open_work,
    requests_by_state,
    set_prices,
    spent,
    tend,
)
from tests.orchestration.judging.setting import outcomes, policy
from tests.orchestration.seeding import DAY, add_calls, count, rows

Connection = psycopg.Connection[TupleRow]
PLAIN = completion('{"reason": "Plain.", "score": 4}')
REASONS = """
select unscored_reason, attempts, is_retriable, details ->> 'detail' from evaluation.judgements
where unscored_reason is not null
"""


@pytest.fixture
def asked(connection: Connection, provider: BatchProvider) -> Connection:
    """Ten calls whose judge has been asked in one batch, which nobody has looked at yet."""
    connection.autocommit = True
    with connection.transaction():
        add_calls(connection, 10)
    policy(connection)
    set_prices(connection)
    batch_judge(connection, provider)
    assert ask(connection).batches.n_requests == 10
    return connection


def tend_until_collected(connection: Connection, n_batches: int = 1) -> None:
    """Tend until so many batches are done; what they left waits for the next one."""
    for _ in range(20):
        done = [state for state in batch_states(connection) if state in ("collected", "failed")]
        if len(done) >= n_batches:
            return
        connection.execute("update evaluation.judge_batches set next_look_at = now()")
        tend_batches(connection)
    raise AssertionError(batch_states(connection))


def first_ids(provider: BatchProvider, n: int) -> list[str]:
    """The custom ids of the first lines that were ever sent."""
    lines = next(iter(provider.files.values())).content.splitlines()
    return [json.loads(line)["custom_id"] for line in lines[:n]]


def answers(odd: dict[str, tuple[int, Json]]) -> Callable[[Json], tuple[int, Json]]:
    return lambda request: odd.get(request["custom_id"], PLAIN)


def test_what_expired_is_sent_again_and_what_was_answered_is_kept(
    asked: Connection, provider: BatchProvider
) -> None:
    provider.ending, provider.n_before_end = "expired", 6
    tend_until_collected(asked)
    assert outcomes(asked) == {"scored": 6}
    assert requests_by_state(asked) == {"answered": 6, "waiting": 4}
    left = "select distinct reason, attempts from evaluation.judge_requests where state = 'waiting'"
    assert rows(asked, left) == [("batch_expired", 1)]
    provider.ending, provider.n_before_end = "completed", None
    finish(asked)
    assert outcomes(asked) == {"scored": 10}
    assert len(provider.paid()) == len(set(provider.paid())) == 10
    assert spent(asked) == (10, 10 * USD_A_REQUEST)


def test_what_is_sent_again_waits_a_while(asked: Connection, provider: BatchProvider) -> None:
    provider.ending, provider.n_before_end = "expired", 0
    tend_until_collected(asked)
    assert not look_around(asked).is_something
    pauses = rows(
        asked, "select distinct not_before - changed_at > interval '9 minutes' from evaluation.judge_requests"
    )
    assert pauses == [(True,)]


def test_what_always_expires_is_given_up_with_its_reason(asked: Connection, provider: BatchProvider) -> None:
    provider.ending, provider.n_before_end = "expired", 0
    finish(asked)
    assert len(provider.batches) == 3
    ((reason, attempts, is_retriable, detail),) = set(rows(asked, REASONS))
    assert (reason, attempts, is_retriable) == ("error", 3, False)
    assert detail.startswith("batch_expired")
    assert requests_by_state(asked) == {"given_up": 10}
    assert spent(asked) == (0, 0), "nothing of it was executed"
    assert ask(asked).batches.n_requests == 0


def test_requests_that_failed_are_sent_again_and_the_others_are_not(
    asked: Connection, provider: BatchProvider
) -> None:
    unlucky = first_ids(provider, 3)
    provider.answer = answers({name: refusal(500, "server_error") for name in unlucky})
    tend_until_collected(asked)
    assert outcomes(asked) == {"scored": 7, "error": 3}
    assert requests_by_state(asked) == {"answered": 7, "waiting": 3}
    provider.answer = answers({})
    finish(asked)
    assert outcomes(asked) == {"scored": 10}
    assert sorted(provider.paid()) == sorted(set(provider.paid()))
    assert rows(asked, "select attempts, count(*) from evaluation.judgements group by 1 order by 1") == [
        (1, 7),
        (2, 3),
    ]
    assert spent(asked)[1] == 10 * USD_A_REQUEST


def test_a_request_that_fails_three_times_is_unscored_for_good(
    asked: Connection, provider: BatchProvider
) -> None:
    (unlucky,) = first_ids(provider, 1)
    provider.answer = answers({unlucky: refusal(500, "server_error", "It broke.")})
    finish(asked)
    assert outcomes(asked) == {"scored": 9, "error": 1}
    ((_, attempts, is_retriable, detail),) = rows(asked, REASONS)
    assert (attempts, is_retriable) == (3, False)
    assert "It broke." in detail
    assert (len(provider.batches), len(provider.paid())) == (3, 9)
    assert count(asked, "evaluation.judge_request_calls") == 0
    assert (ask(asked).n_pending, len(provider.batches)) == (0, 3)


def test_an_answer_outside_the_protocol_is_unscored_kept_and_tried_again(
    asked: Connection, provider: BatchProvider
) -> None:
    (garbled,) = first_ids(provider, 1)
    provider.answer = answers({garbled: completion("I would say it is quite good, 4 of 5")})
    finish(asked)
    ((reason, attempts, is_retriable, _),) = rows(asked, REASONS)
    assert (reason, attempts, is_retriable) == ("parse_error", 3, False)
    assert len(provider.paid()) == 12, "all three were paid for"
    assert spent(asked) == (12, 12 * USD_A_REQUEST)
    kept = rows(asked, "select count(*) from raw.llm_calls where purpose = 'judge'")
    assert kept == [(12,)], "each exchange is a call of its own"
    assert count(asked, "evaluation.verdicts") == 9


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [(400, "context_length_exceeded", "too_long"), (400, "content_filter", "content_filter")],
)
def test_what_no_second_try_would_change_is_final(
    asked: Connection, provider: BatchProvider, status: int, code: str, reason: str
) -> None:
    (unlucky,) = first_ids(provider, 1)
    provider.answer = answers({unlucky: refusal(status, code)})
    finish(asked)
    assert outcomes(asked) == {"scored": 9, reason: 1}
    assert len(provider.batches) == 1


def test_a_form_that_the_provider_refuses_is_asked_for_in_a_weaker_one(
    asked: Connection, provider: BatchProvider
) -> None:
    def answer(request: Json) -> tuple[int, Json]:
        form = request["body"].get("response_format", {}).get("type")
        if form == "json_schema":
            return refusal(400, "invalid_request", "response_format json_schema is not supported")
        return PLAIN

    provider.answer = answer
    finish(asked)
    assert outcomes(asked) == {"scored": 10}
    assert len(provider.batches) == 2
    told = rows(asked, "select distinct details ->> 'output', attempts from evaluation.judgements")
    assert told == [("json_object", 1)], "asking for a form is no try"


def test_lines_that_the_provider_refuses_do_not_hold_back_the_others(
    asked: Connection, provider: BatchProvider
) -> None:
    poisoned = set(first_ids(provider, 2))

    def refuse(requests: list[Json]) -> list[Json]:
        return [
            {"code": "invalid_request", "line": number, "message": "No.", "param": None}
            for number, request in enumerate(requests, start=1)
            if request["custom_id"] in poisoned
        ]

    provider.errors = refuse
    finish(asked)
    assert outcomes(asked) == {"scored": 8, "error": 2}
    assert batch_states(asked) == ["failed", "collected"]
    assert not poisoned & set(provider.paid())
    assert spent(asked) == (8, 8 * USD_A_REQUEST)


@pytest.mark.parametrize("code", ["token_limit_exceeded", "billing_hard_limit_reached"])
def test_a_full_queue_or_an_empty_account_uses_up_no_try(
    asked: Connection, provider: BatchProvider, code: str
) -> None:
    problem = {"code": code, "line": None, "message": "Not now.", "param": None}
    provider.errors = lambda requests: [problem]
    for n_batches in range(1, 6):
        tend_until_collected(asked, n_batches)
        asked.execute("update evaluation.judge_requests set not_before = now()")
        tend_batches(asked)
    waiting = rows(asked, "select distinct attempts from evaluation.judge_requests")
    assert waiting == [(0,)]
    provider.errors = lambda requests: []
    finish(asked)
    assert outcomes(asked) == {"scored": 10}


def test_a_file_that_is_refused_for_good_is_given_up(asked: Connection, provider: BatchProvider) -> None:
    problem = {"code": "model_not_found", "line": None, "message": "There is no such model.", "param": None}
    provider.errors = lambda requests: [problem]
    finish(asked)
    assert len(provider.batches) == 3
    assert outcomes(asked) == {"error": 10}
    assert "model_not_found" in rows(asked, "select problem from evaluation.judge_batches")[0][0]


def test_a_cancelled_batch_is_not_sent_again_until_somebody_asks(
    asked: Connection, provider: BatchProvider
) -> None:
    provider.is_held = True
    tend(asked)
    (name,) = provider.batches
    provider.batches[name].document["status"] = "in_progress"
    provider._validate(provider.batches[name])
    provider.cancel(name)
    provider.n_before_end, provider.is_held = 4, False
    finish(asked)
    assert outcomes(asked) == {"scored": 4, "cancelled": 6}
    assert requests_by_state(asked) == {"answered": 4, "cancelled": 6}
    assert spent(asked) == (4, 4 * USD_A_REQUEST)
    assert ask(asked).batches.n_requests == 0
    assert len(provider.batches) == 1

    provider.n_before_end = None
    ask_again(asked, list_judges(asked), DAY)
    assert ask(asked).batches.n_requests == 6
    assert rows(asked, "select max(attempts) from evaluation.judge_requests") == [(1,)]
    finish(asked)
    assert outcomes(asked) == {"scored": 10}
    assert len(set(provider.paid())) == len(provider.paid()) == 10


def test_results_of_others_are_ignored(asked: Connection, provider: BatchProvider) -> None:
    ((version,),) = rows(asked, "select version from evaluation.evaluator_versions")
    forged = custom_id(b"\x01" * 32, version=version)

    def mangle(lines: list[bytes]) -> bytes:
        strange = [
            json.dumps({"custom_id": name, "response": {"status_code": 200, "body": PLAIN[1]}, "error": None})
            for name in ("request-1", "", "한국어", "0" * 500, forged)
        ]
        return "".join(line + "\n" for line in strange).encode() + b"".join(lines)

    provider.mangle = mangle
    finish(asked)
    assert outcomes(asked) == {"scored": 10}
    assert count(asked, "evaluation.verdicts") == 10
    assert rows(asked, "select n_answered, n_ignored from evaluation.judge_batches") == [(10, 5)]


def test_of_two_results_for_one_request_the_first_counts(asked: Connection, provider: BatchProvider) -> None:
    def mangle(lines: list[bytes]) -> bytes:
        return b"".join(line + line.replace(b'\\"score\\": 4', b'\\"score\\": 1') for line in lines)

    provider.mangle = mangle
    finish(asked)
    assert rows(asked, "select distinct value from evaluation.judgements") == [(4,)]
    assert rows(asked, "select n_answered, n_ignored from evaluation.judge_batches") == [(10, 10)]
    assert spent(asked) == (10, 10 * USD_A_REQUEST)


def test_a_file_that_breaks_off_is_fetched_again_before_anything_is_paid_for_again(
    asked: Connection, provider: BatchProvider
) -> None:
    whole = b"".join
    provider.mangle = lambda lines: whole(lines)[: -len(lines[-1]) - len(lines[-2]) // 2]
    for _ in range(5):
        tend(asked)
    assert outcomes(asked) == {"scored": 8}
    assert batch_states(asked) == ["submitted"]
    ((problem,),) = rows(asked, "select problem from evaluation.judge_batches")
    assert "cannot be read" in problem

    (output,) = [file for file in provider.files.values() if file.filename == "output_file_id.jsonl"]
    (batch,) = provider.batches.values()
    output.content = whole(
        json.dumps(
            {"custom_id": r["custom_id"], "response": {"status_code": 200, "body": PLAIN[1]}, "error": None}
        ).encode()
        + b"\n"
        for r in batch.requests
    )
    finish(asked)
    assert outcomes(asked) == {"scored": 10}
    assert len(provider.paid()) == 10


def test_a_file_that_stays_broken_costs_only_what_it_lacks(
    asked: Connection, provider: BatchProvider
) -> None:
    provider.mangle = lambda lines: b"".join(lines)[: -len(lines[-1]) // 2]
    for _ in range(30):
        tend(asked)
        if len(provider.batches) > 1:
            break
    provider.mangle = b"".join
    assert outcomes(asked) == {"scored": 9}
    finish(asked)
    assert outcomes(asked) == {"scored": 10}
    assert len(provider.paid()) == 11


@pytest.mark.parametrize(
    "spoiled",
    [b"\x00" * 4096, b"<html>Bad gateway</html>\n", b"[" * 200_000 + b"\n", b'{"custom_id": 7}\n' * 100, b""],
)
def test_a_spoiled_file_loses_nothing(asked: Connection, provider: BatchProvider, spoiled: bytes) -> None:
    provider.mangle = lambda lines: spoiled
    for _ in range(4):
        tend(asked)
    assert count(asked, "evaluation.judgements") == 0
    assert requests_by_state(asked) == {"sent": 10}
    provider.mangle = b"".join
    (batch,) = provider.batches.values()
    batch.document |= {"status": "finalizing", "output_file_id": None, "error_file_id": None}
    provider.executed.clear()
    finish(asked)
    assert outcomes(asked) == {"scored": 10}


def test_a_line_longer_than_memory_allows_is_passed_over(
    asked: Connection, provider: BatchProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_collect, "MOST_LINE_BYTES", 4_000)
    provider.mangle = lambda lines: b"x" * 50_000 + b"\n" + b"".join(lines)
    tend_until = 0
    while count(asked, "evaluation.judgements") < 10 and tend_until < 10:
        tend(asked)
        tend_until += 1
    assert outcomes(asked) == {"scored": 10}


def test_without_its_key_nothing_is_sent_and_nothing_is_lost(
    connection: Connection, provider: BatchProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.autocommit = True
    with connection.transaction():
        add_calls(connection, 3)
    policy(connection)
    batch_judge(connection, provider)
    monkeypatch.delenv(KEY_VARIABLE)
    run = ask(connection)
    assert run.problem is not None
    assert KEY_VARIABLE in run.problem
    assert "\n" not in run.problem
    tend(connection)
    assert batch_states(connection) == ["prepared"]
    monkeypatch.setenv(KEY_VARIABLE, "sk-test-batches")
    finish(connection)
    assert outcomes(connection) == {"scored": 3}
    assert len(provider.paid()) == 3


@pytest.mark.parametrize(("method", "path"), [("POST", "/files"), ("POST", "/batches"), ("GET", "/files")])
@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_provider_that_says_not_now_is_asked_again(
    connection: Connection, provider: BatchProvider, method: str, path: str, status: int
) -> None:
    connection.autocommit = True
    with connection.transaction():
        add_calls(connection, 3)
    policy(connection)
    batch_judge(connection, provider)
    provider.refusals[method, path] = deque([status] * 3)
    ask(connection)
    ((problem, due),) = rows(connection, "select problem, next_look_at from evaluation.judge_batches")
    assert str(status) in problem
    assert due > datetime.now(UTC)
    provider.refusals.clear()
    finish(connection)
    assert outcomes(connection) == {"scored": 3}
    assert len(provider.batches) == 1


@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_provider_that_cannot_be_looked_at_keeps_the_batch_out(
    asked: Connection, provider: BatchProvider, status: int
) -> None:
    (name,) = provider.batches
    provider.refusals["GET", f"/batches/{name}"] = deque([status] * 9)
    tend(asked)
    ((problem, n_problems),) = rows(asked, "select problem, n_problems from evaluation.judge_batches")
    assert str(status) in problem
    assert n_problems == 1
    provider.refusals.clear()
    finish(asked)
    assert outcomes(asked) == {"scored": 10}
    assert rows(asked, "select problem from evaluation.judge_batches") == [(None,)]


def test_a_batch_that_the_provider_refuses_to_make_gives_its_requests_back(
    asked: Connection, provider: BatchProvider
) -> None:
    with asked.transaction():
        add_calls(asked, 2, start=DAY.start + timedelta(hours=5), seed="later", output="Later: #")
    provider.refusals["POST", "/batches"] = deque([400])
    ask(asked)
    assert batch_states(asked) == ["submitted", "failed"]
    assert requests_by_state(asked) == {"sent": 10, "waiting": 2}
    finish(asked)
    assert outcomes(asked) == {"scored": 12}
    assert len(provider.paid()) == 12


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_provider_that_lists_no_files_gets_them_anew(
    asked: Connection, provider: BatchProvider, status: int
) -> None:
    with asked.transaction():
        add_calls(asked, 2, start=DAY.start + timedelta(hours=5), seed="later", output="Later: #")
    provider.refusals["GET", "/files"] = deque([status] * 3)
    assert ask(asked).batches.sent == {"submitted": 1}


def test_a_provider_is_asked_after_the_batch_that_waited_longest(
    asked: Connection, provider: BatchProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asked.transaction():
        add_calls(asked, 2, start=DAY.start + timedelta(hours=5), seed="later", output="Later: #")
    ask(asked)
    provider.is_held = True
    monkeypatch.setattr(batches_tend, "MOST_LOOKS", 1)
    asked.execute("update evaluation.judge_batches set next_look_at = now() - interval '1 s'")
    for _ in range(2):
        look_around(asked)
    assert [provider.times("GET", f"/batches/{name}") for name in provider.batches] == [1, 1]


def test_a_call_that_changes_before_it_is_sent_is_asked_about_as_it_is(
    connection: Connection, provider: BatchProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.autocommit = True
    with connection.transaction():
        add_calls(connection, 3)
    policy(connection)
    set_prices(connection)
    batch_judge(connection, provider)
    monkeypatch.delenv(KEY_VARIABLE)
    ask(connection)
    connection.execute(
        "update raw.llm_bodies set output_text = 'Different.'"
        " where call_id = (select min(call_id::text)::uuid from raw.llm_calls)"
    )
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    tend(connection)
    (file,) = provider.files.values()
    assert len(file.content.splitlines()) == 2, "what it said before is not worth paying for"
    assert ask(connection).batches.n_requests == 1
    finish(connection)
    assert outcomes(connection) == {"scored": 3}
    assert spent(connection) == (3, 3 * USD_A_REQUEST)


def test_a_provider_that_is_away_is_no_failure_of_a_batch(asked: Connection, provider: BatchProvider) -> None:
    asked.execute("update evaluation.judge_batches set base_url = 'http://127.0.0.1:9/v1'")
    tended = tend(asked)
    assert tended.done == {"waits": 1}
    assert any("no answer" in problem for problem in tended.problems)
    asked.execute("update evaluation.judge_batches set base_url = %s", (provider.url,))
    finish(asked)
    assert outcomes(asked) == {"scored": 10}


def test_a_batch_that_is_gone_is_asked_again_only_after_two_days(
    asked: Connection, provider: BatchProvider
) -> None:
    provider.batches.clear()
    tend(asked)
    tend(asked)
    assert batch_states(asked) == ["submitted"]
    make_older(asked, timedelta(hours=49))
    tend(asked)
    assert batch_states(asked)[0] == "collected"
    finish(asked)
    assert outcomes(asked) == {"scored": 10}


def test_pages_of_html_are_no_batch(asked: Connection, provider: BatchProvider) -> None:
    (name,) = provider.batches
    document = provider.batches[name].document
    document["status"] = "<html>"
    provider.is_held = True
    tend(asked)
    assert open_work(asked)
    assert "<html>" not in ENDED
    document["status"] = "validating"
    provider.is_held = False
    finish(asked)
    assert outcomes(asked) == {"scored": 10}


def test_two_collectors_do_not_get_in_each_others_way(
    asked: Connection, provider: BatchProvider, warehouse: DatabaseUrl
) -> None:
    provider.finish()
    batch_id = only_batch(asked)
    with (
        holding(asked, batch_id) as is_ours,
        connect(warehouse, autocommit=True) as other,
        desk_of(other) as desk,
    ):
        assert is_ours
        assert collect_batch(desk, batch_id) == "busy"
    with desk_of(asked) as desk:
        assert collect_batch(desk, batch_id) == "collected"
    assert outcomes(asked) == {"scored": 10}


def test_a_batch_is_looked_at_less_often_the_older_it_is() -> None:
    ages = [timedelta(0), timedelta(minutes=30), timedelta(hours=20)]
    assert [poll_pause(age) for age in ages] == [timedelta(minutes=n) for n in (1, 3, 10)]
