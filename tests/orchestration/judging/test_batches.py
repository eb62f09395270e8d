"""Judging through files and batches: the same verdicts, once, at half the price."""

import json
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.judging import batches as limits
from orchestration.cost.charging import charge_window
from orchestration.judging import batches
from orchestration.judging.batches import cut_batches
from orchestration.judging.batches_collect import collect_batch
from orchestration.judging.judging import judge_window
from orchestration.windows import day_window
from tests.batch_provider import BatchProvider, completion
from tests.judge_endpoint import judge_endpoint_in_thread
from tests.orchestration.judging.batching import (
    USD_A_REQUEST,
    ask,
    batch_judge,
    batch_states,
    desk_of,
    finish,
    only_batch,
    open_work,
    requests_by_state,
    set_prices,
    spent,
    tend,
)
from tests.orchestration.judging.setting import judge, outcomes, policy
from tests.orchestration.seeding import DAY, add_calls, count, rows

Connection = psycopg.Connection[TupleRow]
ALL_OF_IT = """
select 'judgement', count(*), md5(string_agg(judgements::text, ',' order by call_id))
from evaluation.judgements
union all
select 'verdict', count(*), md5(string_agg(verdicts::text, ',' order by content_hash))
from evaluation.verdicts
union all
select 'call', count(*), md5(string_agg(call_id::text, ',' order by call_id))
from raw.llm_calls where purpose = 'judge'
union all
select 'spend', sum(n_calls), sum(amount_usd)::text from evaluation.judge_spend
"""


@pytest.fixture(autouse=True)
def _outside_a_transaction(connection: Connection) -> None:
    connection.autocommit = True


def seed(connection: Connection, n: int, **changes: object) -> None:
    with connection.transaction():
        add_calls(connection, n, **changes)  # type: ignore[arg-type]


def sent_lines(provider: BatchProvider) -> list[dict[str, object]]:
    files = [file for file in provider.files.values() if file.purpose == "batch"]
    return [json.loads(line) for file in files for line in file.content.splitlines()]


def test_every_selected_call_gets_its_judgement_out_of_a_batch(
    connection: Connection, provider: BatchProvider
) -> None:
    seed(connection, 30)
    policy(connection)
    batch_judge(connection, provider)

    run = ask(connection)

    assert (run.problem, run.batches.n_calls, run.batches.n_requests) == (None, 30, 30)
    assert run.batches.sent == {"submitted": 1}
    assert count(connection, "evaluation.judgements") == 0, "nothing is said before the answer is there"
    finish(connection)

    assert outcomes(connection) == {"scored": 30}
    (judged,) = rows(
        connection,
        "select count(distinct content_hash), min(value), max(value), max(label), max(explanation),"
        " min(inclusion_probability), max(attempts), bool_or(is_cached) from evaluation.judgements",
    )
    assert judged == (30, 4, 4, judged[3], "Plain.", 1.0, 1, False)
    assert judged[3]
    assert sorted(provider.paid()) == sorted(str(line["custom_id"]) for line in sent_lines(provider))
    assert requests_by_state(connection) == {"answered": 30}
    assert count(connection, "evaluation.judge_request_calls") == 0
    (batch,) = rows(
        connection,
        "select state, provider_status, n_requests, n_answered, n_failed, n_ignored, problem"
        " from evaluation.judge_batches",
    )
    assert batch == ("collected", "completed", 30, 30, 0, 0, None)
    marks = rows(connection, "select distinct hour from raw.dirty_hours where stage = 'scores'")
    assert marks == [(DAY.start,)]


def test_a_request_is_what_the_direct_way_posts(connection: Connection, provider: BatchProvider) -> None:
    seed(connection, 3)
    policy(connection)
    batch_judge(connection, provider)
    ask(connection)
    in_batch = [line["body"] for line in sent_lines(provider)]
    connection.execute("truncate evaluation.judge_requests, evaluation.judge_request_calls")
    connection.execute("update evaluation.judges set processing = 'direct', secret_ref = null")

    with judge_endpoint_in_thread() as endpoint:
        connection.execute("update evaluation.judges set base_url = %s", (endpoint.url,))
        judge_window(connection, DAY)
        posted = [asked.body for asked in endpoint.ledger]

    def by_text(bodies: list[object]) -> list[str]:
        return sorted(json.dumps(body, sort_keys=True) for body in bodies)

    assert by_text(in_batch) == by_text(list(posted))


def test_a_second_run_asks_nothing_before_and_after_the_answers(
    connection: Connection, provider: BatchProvider
) -> None:
    seed(connection, 10)
    policy(connection)
    batch_judge(connection, provider)
    ask(connection)

    again = ask(connection)
    assert (again.n_pending, again.batches.n_requests, len(provider.batches)) == (0, 0, 1)
    finish(connection)
    after = ask(connection)
    assert (after.n_pending, after.written.n_calls, len(provider.batches)) == (0, 0, 1)
    assert len(provider.paid()) == 10


def test_collecting_twice_changes_nothing(connection: Connection, provider: BatchProvider) -> None:
    seed(connection, 12)
    policy(connection)
    set_prices(connection)
    batch_judge(connection, provider)
    ask(connection)
    provider.finish()
    batch_id = only_batch(connection)
    with desk_of(connection) as desk:
        assert collect_batch(desk, batch_id) == "collected"
        first = rows(connection, ALL_OF_IT)
        assert collect_batch(desk, batch_id) == "collected"
        connection.execute("update evaluation.judge_batches set state = 'submitted'")
        for file in provider.files.values():
            file.is_deleted = False
        assert collect_batch(desk, batch_id) == "collected"
    assert rows(connection, ALL_OF_IT) == first
    assert first[0][1] == 12


def test_judge_calls_land_and_are_charged_at_half_the_price(
    connection: Connection, provider: BatchProvider
) -> None:
    seed(connection, 4)
    policy(connection)
    set_prices(connection)
    batch_judge(connection, provider)
    provider.answer = lambda request: completion('{"reason": "Plain.", "score": 4}', model="judge-model")
    ask(connection)
    finish(connection)

    landed = rows(
        connection,
        "select started_at, status, tags ->> 'service_tier', requested_model from raw.llm_calls"
        " where purpose = 'judge'",
    )
    assert [row[1:] for row in landed] == [("ok", "batch", "judge-model")] * 4
    charge_window(connection, [day_window(landed[0][0].date())])
    charged = rows(
        connection,
        "select amount_usd from cost.charges inner join raw.llm_calls using (started_at, call_id)"
        " where purpose = 'judge'",
    )
    assert [amount for (amount,) in charged] == [USD_A_REQUEST] * 4
    kept = rows(connection, "select sum(cost_usd) from evaluation.judgements")
    assert kept == [(4 * USD_A_REQUEST,)]
    bodies = rows(
        connection,
        "select count(*) filter (where request is not null and response is not null) from raw.llm_bodies"
        " inner join raw.llm_calls using (started_at, call_id) where purpose = 'judge'",
    )
    assert bodies == [(4,)]


def test_the_same_content_is_paid_for_once(connection: Connection, provider: BatchProvider) -> None:
    seed(connection, 6, output="One and the same answer.")
    policy(connection, max_calls_per_day=1)
    batch_judge(connection, provider)
    run = ask(connection)
    assert (run.batches.n_calls, run.batches.n_requests) == (6, 1)
    finish(connection)

    seed(connection, 3, output="One and the same answer.", start=DAY.start + timedelta(hours=3), seed="later")
    later = ask(connection)
    assert (later.written.outcomes, later.batches.n_requests) == ({"scored": 3}, 0)
    assert len(provider.paid()) == 1
    cached = rows(
        connection, "select is_cached, count(*), sum(cost_usd) from evaluation.judgements group by 1"
    )
    assert sorted(row[:2] for row in cached) == [(False, 1), (True, 8)]


def test_a_call_that_comes_while_its_content_is_out_waits_for_that_answer(
    connection: Connection, provider: BatchProvider
) -> None:
    seed(connection, 1, output="One and the same answer.")
    policy(connection)
    batch_judge(connection, provider)
    ask(connection)
    seed(connection, 2, output="One and the same answer.", start=DAY.start + timedelta(hours=3), seed="later")
    run = ask(connection)
    assert (run.batches.n_calls, run.batches.n_requests, len(provider.batches)) == (2, 0, 1)
    finish(connection)
    assert outcomes(connection) == {"scored": 3}
    assert len(provider.paid()) == 1


def test_a_judge_that_changes_sides_pays_nothing_twice(
    connection: Connection, provider: BatchProvider
) -> None:
    seed(connection, 5)
    policy(connection)
    batch_judge(connection, provider)
    ask(connection)
    connection.execute("update evaluation.judges set processing = 'direct', secret_ref = null")
    with judge_endpoint_in_thread() as endpoint:
        connection.execute("update evaluation.judges set base_url = %s", (endpoint.url,))
        (run,) = judge_window(connection, DAY)
        assert (run.n_pending, endpoint.paid) == (0, 0)
        finish(connection)
        judge_window(connection, DAY)
        assert endpoint.paid == 0
    assert outcomes(connection) == {"scored": 5}


def test_judges_asked_directly_are_none_of_its_business(
    connection: Connection, provider: BatchProvider
) -> None:
    seed(connection, 3)
    policy(connection)
    batch_judge(connection, provider)
    with judge_endpoint_in_thread() as endpoint:
        judge(connection, endpoint.url, name="careful", rubric="safety")
        runs = judge_window(connection, DAY)
        assert [run.judge for run in runs] == ["careful"]
        assert endpoint.paid == 3
    assert provider.asked == []


@pytest.mark.parametrize("limit", [(4, 10**9, 3), (100, 1, 10)])
def test_files_are_cut_at_the_limits_of_the_api(
    connection: Connection,
    provider: BatchProvider,
    monkeypatch: pytest.MonkeyPatch,
    limit: tuple[int, int, int],
) -> None:
    most_requests, most_bytes, n_batches = limit
    monkeypatch.setattr(batches, "MOST_REQUESTS", most_requests)
    monkeypatch.setattr(batches, "MOST_BYTES", most_bytes)
    seed(connection, 10)
    policy(connection)
    batch_judge(connection, provider)
    run = ask(connection)
    assert run.batches.sent == {"submitted": n_batches}
    files = [file.content.splitlines() for file in provider.files.values()]
    assert sum(len(lines) for lines in files) == 10
    assert max(len(lines) for lines in files) <= most_requests
    finish(connection)
    assert outcomes(connection) == {"scored": 10}


def test_a_batch_is_as_many_bytes_as_its_file(
    connection: Connection, provider: BatchProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(connection, 10, output="Antwort # – 안녕하세요 🎈")
    policy(connection)
    batch_judge(connection, provider)
    ask(connection)
    ((n_bytes,),) = rows(connection, "select n_bytes from evaluation.judge_batches")
    (file,) = provider.files.values()
    assert len(file.content) == n_bytes

    monkeypatch.setattr(batches, "MOST_BYTES", n_bytes - 1)
    connection.execute("update evaluation.judge_requests set state = 'waiting', batch_id = null")
    with desk_of(connection) as desk:
        assert len(cut_batches(connection, judge=desk.judge)) == 2
    largest = rows(connection, "select max(n_bytes) from evaluation.judge_batches where state = 'prepared'")
    assert largest[0][0] < n_bytes


def test_the_limits_are_the_documented_ones() -> None:
    assert (limits.MOST_REQUESTS, limits.MOST_BYTES) == (50_000, 200_000_000)


def test_what_is_asked_counts_against_the_budget_until_its_price_is_known(
    connection: Connection, provider: BatchProvider
) -> None:
    seed(connection, 10)
    policy(connection, max_calls_per_day=4)
    set_prices(connection)
    batch_judge(connection, provider)
    run = ask(connection)
    assert run.is_out_of_budget
    assert run.batches.n_requests == 4
    assert outcomes(connection) == {"skipped_budget": 6}
    n_calls, reserved = spent(connection)
    assert n_calls == 4
    assert reserved > 0
    assert ask(connection).batches.n_requests == 0, "what is out counts as spent"

    finish(connection)
    assert spent(connection) == (4, 4 * USD_A_REQUEST)
    assert outcomes(connection) == {"scored": 4, "skipped_budget": 6}


def test_a_budget_in_usd_reaches_twice_as_far(connection: Connection, provider: BatchProvider) -> None:
    seed(connection, 20)
    set_prices(connection)
    policy(connection, max_usd_per_day=Decimal("0.02"))
    batch_judge(connection, provider)
    in_batches = ask(connection).batches.n_requests
    connection.execute("truncate evaluation.judge_requests, evaluation.judge_request_calls")
    connection.execute("truncate evaluation.judgements, evaluation.judge_spend")
    connection.execute("update evaluation.judges set processing = 'direct', secret_ref = null")
    with judge_endpoint_in_thread() as endpoint:
        connection.execute("update evaluation.judges set base_url = %s", (endpoint.url,))
        from orchestration.judging.estimating import estimate_window

        (direct,) = estimate_window(connection, DAY)
    assert direct.usd is not None
    a_call = direct.usd / direct.n_to_ask
    assert in_batches == int(Decimal("0.02") / (a_call / 2))


def test_a_backfill_has_its_own_budget_and_the_day_of_asking_is_told(
    connection: Connection, provider: BatchProvider
) -> None:
    seed(connection, 5)
    set_prices(connection)
    policy(connection, max_calls_per_day=1, max_calls_per_backfill=3)
    batch_judge(connection, provider)
    run = ask(connection, backfill_id="spring")
    assert run.batches.n_requests == 3
    finish(connection)
    subjects = rows(
        connection, "select scope, n_calls, amount_usd from evaluation.judge_spend order by scope"
    )
    assert subjects == [("backfill", 3, 3 * USD_A_REQUEST), ("day", 3, 3 * USD_A_REQUEST)]


def test_an_answer_of_the_next_day_is_paid_by_the_day_it_was_asked_on(
    connection: Connection, provider: BatchProvider
) -> None:
    seed(connection, 2)
    set_prices(connection)
    policy(connection)
    batch_judge(connection, provider)
    ask(connection)
    connection.execute("update evaluation.judge_requests set asked_on = asked_on - 1")
    connection.execute("update evaluation.judge_spend set subject = (subject::date - 1)::text")
    finish(connection)
    ((day, usd),) = rows(
        connection, "select subject::date - current_date, amount_usd from evaluation.judge_spend"
    )
    assert (day, usd) == (-1, 2 * USD_A_REQUEST)


def test_what_needs_no_asking_is_said_at_once(connection: Connection, provider: BatchProvider) -> None:
    seed(connection, 3, output="")
    policy(connection)
    batch_judge(connection, provider)
    run = ask(connection)
    assert outcomes(connection) == {"not_applicable": 3}
    assert run.batches.batches == []
    assert provider.asked == [], "there is nothing to send"


def test_a_call_that_says_something_else_now_is_asked_about_anew(
    connection: Connection, provider: BatchProvider
) -> None:
    seed(connection, 3)
    policy(connection)
    batch_judge(connection, provider)
    ask(connection)
    connection.execute("update raw.llm_bodies set output_text = 'A wholly different answer.'")
    finish(connection)
    assert count(connection, "evaluation.judgements") == 0, "a grade of other words is none of theirs"
    assert count(connection, "evaluation.verdicts") == 3, "but it is paid for, and kept"
    run = ask(connection)
    assert run.batches.n_requests == 1, "three calls that say the same now"
    finish(connection)
    assert outcomes(connection) == {"scored": 3}


def test_the_file_is_deleted_at_the_provider_once_it_is_collected(
    connection: Connection, provider: BatchProvider
) -> None:
    seed(connection, 2)
    policy(connection)
    batch_judge(connection, provider)
    ask(connection)
    finish(connection)
    assert all(file.is_deleted for file in provider.files.values())
    assert len(provider.files) == 2


def test_a_batch_that_is_out_is_left_alone_until_it_is_due(
    connection: Connection, provider: BatchProvider
) -> None:
    from orchestration.judging.batches_tend import look_around

    seed(connection, 2)
    policy(connection)
    batch_judge(connection, provider)
    ask(connection)
    provider.is_held = True
    tend(connection)
    n_asked = len(provider.asked)
    due = look_around(connection)
    assert not due.is_something
    assert len(provider.asked) == n_asked
    assert batch_states(connection) == ["submitted"]
    assert open_work(connection)
