"""Judging a window against a simulated endpoint: asked once, kept, priced, within budget."""

import json
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.judging.estimating import estimate_window, lines_of
from orchestration.judging.judges import Judge, JudgeError, enable_judge
from orchestration.judging.judging import JudgeRun, Options, judge_window
from orchestration.judging.landing import judge_call_id
from tests.judge_endpoint import JudgeEndpoint, Reply, judge_endpoint_in_thread
from tests.orchestration.judging.setting import close_day, judge, outcomes, policy, set_price
from tests.orchestration.seeding import DAY, add_calls, count, rows

Connection = psycopg.Connection[TupleRow]
GARBLED = Reply(content="I would say it is quite good")


@pytest.fixture(autouse=True)
def _outside_a_transaction(connection: Connection) -> None:
    connection.autocommit = True


@pytest.fixture
def endpoint() -> Iterator[JudgeEndpoint]:
    with judge_endpoint_in_thread() as running:
        yield running


def seed(connection: Connection, n: int, **changes: object) -> None:
    with connection.transaction():
        add_calls(connection, n, **changes)  # type: ignore[arg-type]


def run_once(connection: Connection, **options: object) -> JudgeRun:
    (run,) = judge_window(connection, DAY, options=Options(**options))  # type: ignore[arg-type]
    return run


def test_without_a_judge_nothing_runs_and_nothing_breaks(connection: Connection) -> None:
    seed(connection, 5)

    assert judge_window(connection, DAY) == []
    assert lines_of(estimate_window(connection, DAY)) == [
        "no judge is enabled: nothing would be asked and nothing paid"
    ]
    assert count(connection, "evaluation.judge_selections") == 0


def test_every_selected_call_gets_one_judgement(connection: Connection, endpoint: JudgeEndpoint) -> None:
    seed(connection, 30)
    policy(connection)
    judge(connection, endpoint.url)
    connection.execute("delete from raw.dirty_hours")
    endpoint.latency_s = 0.05

    run = run_once(connection)

    assert (run.problem, run.n_selected, run.n_pending) == (None, 30, 30)
    assert (run.written.n_paid, endpoint.paid) == (30, 30)
    assert 1 < endpoint.most_in_flight <= 4
    (judged,) = rows(
        connection,
        "select count(*), count(distinct content_hash), min(value), max(value), bool_and(explanation <> ''),"
        " min(inclusion_probability), sum(attempts) from evaluation.judgements",
    )
    assert judged[:2] == (30, 30)
    assert 1 <= judged[2] <= judged[3] <= 5
    assert judged[4:] == (True, 1.0, 30)
    scores = rows(connection, "select distinct evaluator, unscored_reason from evaluation.scores")
    assert scores == [("helpfulness", None)]
    marks = rows(connection, "select distinct hour from raw.dirty_hours where stage = 'scores'")
    assert marks == [(DAY.start,)]


def test_a_second_run_asks_nothing_and_writes_nothing(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    seed(connection, 20)
    policy(connection)
    judge(connection, endpoint.url)
    run_once(connection)
    before = rows(connection, "select * from evaluation.judgements order by 1, 2")
    connection.execute("delete from raw.dirty_hours")

    again = run_once(connection)

    assert (again.n_pending, again.written.n_calls, endpoint.requests) == (0, 0, 20)
    assert rows(connection, "select * from evaluation.judgements order by 1, 2") == before
    assert count(connection, "raw.dirty_hours") == 0


def test_judge_calls_land_as_calls_of_their_own(connection: Connection, endpoint: JudgeEndpoint) -> None:
    seed(connection, 3)
    policy(connection)
    judge(connection, endpoint.url)

    run_once(connection)

    landed = rows(
        connection,
        "select purpose, provider, requested_model, status, http_status, tags ->> 'judge',"
        " tags ->> 'evaluator', body_state, usage is not null, jsonb_array_length(attempts), count(*)"
        " from raw.llm_calls where purpose = 'judge' group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10",
    )
    assert landed == [
        ("judge", "openai", "judge-model", "ok", 200, "helpful", "helpfulness", "full", True, 1, 3)
    ]
    known = count(
        connection,
        "evaluation.verdicts inner join raw.llm_calls on call_id = judge_call_id"
        " inner join raw.llm_bodies using (call_id)",
    )
    assert known == 3


@pytest.mark.parametrize(("page_calls", "concurrency"), [(4, 4), (50, 1)])
def test_the_same_content_is_paid_for_once(
    connection: Connection, endpoint: JudgeEndpoint, page_calls: int, concurrency: int
) -> None:
    """Of several in flight together, on later pages, and later on the page that was looked up before."""
    seed(connection, 25, output="The same answer to all.")
    policy(connection)
    judge(connection, endpoint.url, concurrency=concurrency)

    run = run_once(connection, page_calls=page_calls)

    assert endpoint.requests == 1
    assert outcomes(connection) == {"scored": 25}
    assert count(connection, "evaluation.judgements", where="is_cached") == 24
    assert run.written.n_cached == 24
    costs = rows(
        connection, "select is_cached, count(distinct content_hash) from evaluation.judgements group by 1"
    )
    assert sorted(costs) == [(False, 1), (True, 1)]


def test_a_kept_verdict_serves_calls_that_come_later(connection: Connection, endpoint: JudgeEndpoint) -> None:
    seed(connection, 10)
    policy(connection)
    judge(connection, endpoint.url)
    run_once(connection)
    seed(connection, 10, seed="later")

    run = run_once(connection)

    assert endpoint.requests == 10
    assert (run.written.n_paid, run.written.n_cached, run.cache.hit_ratio) == (0, 10, 1.0)


def test_what_may_pass_is_tried_again_three_times_in_all(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    seed(connection, 2)
    policy(connection)
    judge(connection, endpoint.url)
    endpoint.answer = lambda body: GARBLED
    for tries in (1, 2, 3):
        run_once(connection)
        assert rows(connection, "select distinct unscored_reason, attempts from evaluation.judgements") == [
            ("parse_error", tries)
        ]
    asked = endpoint.requests

    endpoint.answer = lambda body: Reply()
    run_once(connection)

    assert endpoint.requests == asked == 6
    assert count(connection, "evaluation.verdicts") == 0


def test_a_later_try_that_succeeds_takes_the_place_of_a_failed_one(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    seed(connection, 4)
    policy(connection)
    judge(connection, endpoint.url)
    endpoint.answer = lambda body: GARBLED
    run_once(connection)

    endpoint.answer = lambda body: Reply()
    run_once(connection)

    assert outcomes(connection) == {"scored": 4}
    assert rows(connection, "select distinct attempts, is_retriable from evaluation.judgements") == [
        (2, False)
    ]


def test_what_cannot_be_judged_is_a_counted_reason_and_costs_nothing(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    seed(connection, 3, seed="empty", output="")
    seed(connection, 2, seed="own", model="judge-model-2026-01-01")
    connection.execute("update raw.llm_calls set body_state = 'none' where finish_reason = 'x'")
    policy(connection)
    judge(connection, endpoint.url)

    run_once(connection)

    assert outcomes(connection) == {"not_applicable": 3, "same_model": 2}
    assert endpoint.requests == 0


def test_a_budget_of_calls_stops_cleanly_and_the_rest_is_tried_later(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    seed(connection, 30)
    policy(connection, max_calls_per_day=12)
    judge(connection, endpoint.url)

    run = run_once(connection)

    assert (run.is_out_of_budget, run.problem, endpoint.requests) == (True, None, 12)
    assert outcomes(connection) == {"scored": 12, "skipped_budget": 18}
    assert run_once(connection).written.n_paid == 0

    policy(connection, max_calls_per_day=100)
    run_once(connection)

    assert (outcomes(connection), endpoint.requests) == ({"scored": 30}, 30)
    assert rows(connection, "select distinct attempts from evaluation.judgements") == [(1,)]


def test_a_budget_in_usd_is_never_exceeded_and_the_spend_is_what_the_usage_costs(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    seed(connection, 40)
    set_price(connection)
    policy(connection)
    judge(connection, endpoint.url)
    estimate = estimate_window(connection, DAY)[0]
    assert estimate.usd is not None
    limit = estimate.usd / 4
    policy(connection, max_usd_per_day=limit)

    run = run_once(connection)

    assert run.is_out_of_budget
    assert 0 < run.written.n_paid < 40
    ((spent, n_calls),) = rows(connection, "select amount_usd, n_calls from evaluation.judge_spend")
    assert spent == run.written.cost_usd <= limit
    assert n_calls == run.written.n_paid
    assert rows(connection, "select sum(cost_usd) from evaluation.judgements") == [(spent,)]
    from orchestration.cost.charging import charge_window

    charge_window(connection, [_now_window()])
    charged = rows(connection, "select sum(amount_usd) from cost.charges")
    assert charged == [(spent,)]


def test_a_backfill_has_a_budget_of_its_own(connection: Connection, endpoint: JudgeEndpoint) -> None:
    seed(connection, 30)
    policy(connection, max_calls_per_day=5, max_calls_per_backfill=20)
    judge(connection, endpoint.url)

    run_once(connection)
    run_once(connection, backfill_id="b1")
    run_once(connection, backfill_id="b1")

    spend = rows(connection, "select scope, subject, n_calls from evaluation.judge_spend order by 1, 2")
    assert spend == [("backfill", "b1", 20), ("day", datetime.now(UTC).date().isoformat(), 25)]


def test_two_runs_at_once_share_the_budget_of_their_policy(
    connection: Connection, warehouse: DatabaseUrl, endpoint: JudgeEndpoint
) -> None:
    seed(connection, 60)
    policy(connection, max_calls_per_day=20)
    judges = [
        judge(connection, endpoint.url),
        judge(connection, endpoint.url, name="toned", rubric="tone", provider="another"),
    ]
    endpoint.latency_s = 0.02

    def run(one: Judge) -> bool:
        with connect(warehouse, autocommit=True) as own:
            return judge_window(own, DAY, judges=[one])[0].is_out_of_budget

    with ThreadPoolExecutor(2) as both:
        assert list(both.map(run, judges)) == [True, True]
    in_flight = judges[0].concurrency
    assert 20 <= endpoint.requests <= 20 + in_flight
    assert rows(connection, "select n_calls from evaluation.judge_spend") == [(endpoint.requests,)]


def test_a_budget_in_usd_without_a_price_asks_nothing_and_says_why(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    seed(connection, 5)
    policy(connection, max_usd_per_day=Decimal(1))
    judge(connection, endpoint.url)

    run = run_once(connection)

    assert run.problem and "has no price" in run.problem
    assert (endpoint.requests, outcomes(connection)) == (0, {})


def test_a_missing_secret_stops_one_judge_and_no_other(
    connection: Connection, endpoint: JudgeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    seed(connection, 4)
    policy(connection)
    judge(connection, endpoint.url, name="a", rubric="tone", secret_ref="env:NO_SUCH_KEY")
    judge(connection, endpoint.url, name="b")

    first, second = judge_window(connection, DAY)

    assert first.problem == "judge a: the environment variable NO_SUCH_KEY is not set"
    assert (second.problem, second.written.n_paid) == (None, 4)


def test_an_endpoint_that_refuses_the_key_ends_the_judge_with_a_line(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    seed(connection, 50)
    policy(connection)
    judge(connection, endpoint.url)
    endpoint.answer = lambda body: Reply(status=401, body=json.dumps({"error": {"message": "no"}}).encode())

    run = run_once(connection)

    assert run.problem and "401" in run.problem
    assert endpoint.requests <= 4
    assert outcomes(connection) == {}


def test_a_closed_day_is_topped_up_and_done(connection: Connection, endpoint: JudgeEndpoint) -> None:
    from orchestration.judging.days import due_days

    seed(connection, 30)
    policy(connection, rate=0.1, min_per_stratum=10)
    added = judge(connection, endpoint.url)
    connection.execute("update evaluation.evaluator_versions set current_from = '2026-10-01'")
    n_first = run_once(connection).n_selected
    assert n_first < 10
    assert due_days(connection, before=date(2030, 1, 1), limit=9) == []
    close_day(connection)
    assert due_days(connection, before=date(2030, 1, 1), limit=9) == [DAY.start.date()]

    run = run_once(connection)

    assert (run.n_topped_up, outcomes(connection)) == (10 - n_first, {"scored": 10})
    ((low, high),) = rows(
        connection, "select min(inclusion_probability), max(inclusion_probability) from evaluation.judgements"
    )
    assert low == high > 0.3
    assert due_days(connection, before=date(2030, 1, 1), limit=9) == []
    assert added.evaluator_version_id == run.evaluator_version_id


def test_an_interrupted_call_waits_until_its_day_is_closed(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    seed(connection, 3, status="interrupted")
    policy(connection, on_failure=False)
    judge(connection, endpoint.url)
    run_once(connection)
    assert endpoint.requests == 0

    close_day(connection)
    run_once(connection)

    assert (endpoint.requests, outcomes(connection)) == (3, {"scored": 3})


def test_a_dry_run_says_what_a_run_asks_and_leaves_no_trace(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    seed(connection, 12)
    seed(connection, 6, seed="b", output="the same")
    seed(connection, 2, seed="c", output="")
    set_price(connection)
    policy(connection, rate=0.9)
    judge(connection, endpoint.url)

    (estimate,) = estimate_window(connection, DAY)
    line = lines_of([estimate])[0]

    assert endpoint.requests == 0
    for table in ("judge_selections", "judgements", "judge_days", "judge_spend"):
        assert count(connection, f"evaluation.{table}") == 0  # type: ignore[arg-type]
    assert count(connection, "raw.llm_calls", where="purpose = 'judge'") == 0
    run = run_once(connection)
    assert (estimate.n_to_ask, estimate.n_selected) == (run.written.n_paid, run.n_pending)
    assert f"{run.written.n_paid:,} calls to ask of {run.n_pending:,} that wait" in line
    prompt = sum(
        usage["prompt_tokens"]
        for (usage,) in rows(connection, "select usage from raw.llm_calls where purpose = 'judge'")
    )
    assert estimate.input_tokens == pytest.approx(prompt, rel=0.5)
    assert estimate.usd is not None and estimate.usd > 0


def test_many_pending_calls_are_never_in_memory_together(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    """20,000 answers of 2 KB would be 40 MB; a page of 50 is 100 kB. The budget ends the run after ten."""
    seed(connection, 20_000, output="# " + "word " * 400)
    policy(connection, max_calls_per_day=10)
    judge(connection, endpoint.url)
    tracemalloc.start()
    run = run_once(connection, page_calls=50)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (run.n_pending, run.written.outcomes) == (20_000, {"scored": 10, "skipped_budget": 19_990})
    assert peak < 15e6


def test_a_second_judge_of_a_rubric_is_refused_while_the_first_is_enabled(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    policy(connection)
    first = judge(connection, endpoint.url)
    with pytest.raises(JudgeError, match="another judge is asked about helpfulness"):
        judge(connection, endpoint.url, name="second", model="other")
    enable_judge(connection, "helpful", is_enabled=False)

    second = judge(connection, endpoint.url, name="second", model="other")

    assert second.evaluator_version_id != first.evaluator_version_id
    with pytest.raises(JudgeError, match="disable it before"):
        enable_judge(connection, "helpful", is_enabled=True)


def test_a_judge_that_is_asked_otherwise_is_another_version_and_pays_for_its_own(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    seed(connection, 3)
    policy(connection)
    judge(connection, endpoint.url)
    run_once(connection)
    connection.execute("""update evaluation.judges set parameters = '{"temperature": 1}'""")

    run_once(connection)

    assert endpoint.requests == 6
    versions = rows(
        connection, "select status, current_to is null from evaluation.evaluator_versions order by id"
    )
    assert versions == [("retired", False), ("active", True)]
    assert count(connection, "evaluation.judgements") == 6
    assert count(connection, "evaluation.judge_versions") == 2


def test_a_judge_call_has_the_same_id_however_often_it_lands(
    connection: Connection, endpoint: JudgeEndpoint
) -> None:
    from orchestration.judging.landing import Asker, land_judge_calls
    from tests.orchestration.judging.judgements import asked_judgement

    judgement = asked_judgement()
    asker = Asker("helpful", "openai", "judge-model")

    assert land_judge_calls(connection, [judgement], asker=asker) == 1
    assert land_judge_calls(connection, [judgement], asker=asker) == 0
    ids = rows(connection, "select call_id from raw.llm_calls")
    assert ids == [(judge_call_id(judgement),)]


def _now_window() -> object:
    from datetime import timedelta

    from orchestration.windows import Window, floor_hour

    now = floor_hour(datetime.now(UTC))
    return Window(now - timedelta(hours=1), now + timedelta(hours=1))
