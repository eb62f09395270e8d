"""A sample of recorded calls, replayed through candidates to a frontier."""

import csv
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.access.models import add_model
from orchestration.cost.charging import charge_window
from orchestration.judging.judges import Judge, add_judge, rubric_text
from orchestration.judging.judging import judge_window
from orchestration.judging.policies import Policy, put_policy
from orchestration.windows import Window, day_window
from tests.judge_endpoint import JudgeEndpoint, Reply, completion, error, judge_endpoint_in_thread
from tests.orchestration.comparison.playing import JUDGE, Lqo, asked_of
from tests.orchestration.counterfactual.playing import (
    DAY,
    PROVIDER,
    TODAY,
    YESTERDAY,
    land,
    play,
    questions,
    set_prices,
)

Connection = psycopg.Connection[TupleRow]
CHARGED = """
select purpose, requested_model, sum(amount_usd), count(*), true
from cost.charges
inner join raw.llm_calls using (started_at, call_id)
where started_at >= %s
group by 1, 2
order by 1, 2
"""
CLAIMED = """
select purpose, subject, sum(spent_usd), count(*), bool_and(is_known)
from evaluation.replay_claims
group by 1, 2
order by 1, 2
"""
UNDER_WAY = """
insert into evaluation.replays (
    replay_id, fingerprint, window_start, window_end, settings, sample, models, max_usd, started_at
)
select gen_random_uuid(), 'another', window_start, window_end, settings, sample, models, max_usd, now()
from evaluation.replays
"""
GRADES = {"cheap": 4, "dear": 5, "old": 3}


def replay(whatif: Lqo, endpoint: JudgeEndpoint, *options: str, models: str = "cheap", usd: str = "5") -> Any:
    asked = ("--from", DAY, "--to", DAY, "--models", models, "--max-usd", usd, "--max-tokens", "200")
    at = ("--base-url", endpoint.url, "--judge", JUDGE)
    return whatif("replay", *asked, *at, *options)


def points(done: Any) -> dict[str, dict[str, Any]]:
    assert done.code == 0, done
    (frontier,) = json.loads(done.out)
    return {point["model"]: point for point in frontier["points"]}


def spent(connection: Connection) -> Decimal:
    row = connection.execute("select sum(spent_usd) from evaluation.replay_claims").fetchone()
    assert row
    return row[0]


def test_candidates_are_compared_with_what_was_answered_then(whatif: Lqo, connection: Connection) -> None:
    land(connection, questions(12))
    with judge_endpoint_in_thread(play(GRADES)) as endpoint:
        done = replay(whatif, endpoint, "--format", "json", models="cheap,dear")
        assert len(asked_of(endpoint, "cheap")) == len(asked_of(endpoint, "dear")) == 12
    found = points(done)
    assert list(found) == ["old", "cheap", "dear"]
    assert {name: point["grade"]["value"] for name, point in found.items()} == {
        "old": 3,
        "cheap": 4,
        "dear": 5,
    }
    assert found["old"]["is_incumbent"]
    assert found["cheap"]["grade_difference"]["value"] == 1
    assert found["dear"]["n_pairs"] == 12
    # 100 tokens at $10 and 40 at $30 per million, times a thousand calls.
    assert found["old"]["usd_per_1k"]["value"] == pytest.approx(2.2)
    assert found["old"]["surely_dominated_by"] == ["cheap"]
    assert found["cheap"]["dominated_by"] == found["dear"]["dominated_by"] == []


def at_priority(endpoint: JudgeEndpoint, model: str) -> None:
    """Let the endpoint serve a model at a dearer tier, as an account's own setting may."""
    played = endpoint.answer

    def answer(body: dict[str, Any]) -> Reply:
        reply = played(body)
        if body["model"] != model:
            return reply
        told = json.loads(completion(body, reply))
        return Reply(body=json.dumps(told | {"service_tier": "priority"}).encode())

    endpoint.answer = answer


def test_the_ledger_is_what_the_price_book_charges_for_replay_and_judge_and_not_for_the_product(
    whatif: Lqo, connection: Connection
) -> None:
    land(connection, questions(6))
    endpoint = play(GRADES)
    for model in ("dear", JUDGE):
        at_priority(endpoint, model)
    with judge_endpoint_in_thread(endpoint):
        assert replay(whatif, endpoint, models="cheap,dear").code == 0
    connection.autocommit = True
    charge_window(connection, [Window(TODAY, TODAY + timedelta(days=2))])
    charged = connection.execute(CHARGED, (TODAY,)).fetchall()
    claimed = connection.execute(CLAIMED).fetchall()
    assert [row[:2] for row in charged] == [("judge", JUDGE), ("replay", "cheap"), ("replay", "dear")]
    assert [(row[0], *row[2:]) for row in charged] == [(row[0], *row[2:]) for row in claimed]
    assert all(row[-1] for row in claimed)


def test_the_incumbents_grades_are_those_that_its_judge_has_given_before(
    whatif: Lqo, connection: Connection
) -> None:
    land(connection, questions(5))
    connection.autocommit = True
    with judge_endpoint_in_thread(play(GRADES)) as endpoint:
        put_policy(connection, Policy(policy="all", rate=1, applies_from=YESTERDAY.date()))
        text, _ = rubric_text("overall")
        daily = Judge(
            judge="daily",
            evaluator="overall",
            rubric=text,
            provider="openai",
            model=JUDGE,
            base_url=endpoint.url,
            policy="all",
        )
        version = add_judge(connection, daily).evaluator_version_id
        [run] = judge_window(connection, day_window(YESTERDAY.date()))
        assert run.written.outcomes == {"scored": 5}
        asked = ("--from", DAY, "--to", DAY, "--models", "cheap", "--max-usd", "5", "--max-tokens", "200")
        done = whatif("replay", *asked, "--base-url", endpoint.url, "--format", "json")
        assert endpoint.paid == 5 + 2 * 5
    assert points(done)["old"]["n_graded"] == 5
    versions = connection.execute(
        "select distinct evaluator_version_id from evaluation.replay_points"
    ).fetchall()
    assert versions == [(version,)]


def test_a_second_replay_of_a_day_pays_for_nothing(whatif: Lqo, connection: Connection) -> None:
    land(connection, questions(5))
    with judge_endpoint_in_thread(play(GRADES)) as endpoint:
        first = points(replay(whatif, endpoint, "--format", "json"))
        paid, usd = endpoint.paid, spent(connection)
        connection.rollback()
        second = points(replay(whatif, endpoint, "--format", "json"))
        assert endpoint.paid == paid
    assert spent(connection) == usd
    assert second == first


def test_a_dry_run_tells_prompts_models_and_usd_and_writes_nothing(
    whatif: Lqo, connection: Connection
) -> None:
    land(connection, questions(7))
    tables = ("cost.prices", "evaluation.replays", "evaluation.eval_runs", "evaluation.evaluator_versions")

    def counts() -> list[Any]:
        found = [connection.execute(f"select count(*) from {table}".encode()).fetchone() for table in tables]
        connection.rollback()
        return found

    before = counts()
    with judge_endpoint_in_thread(play(GRADES)) as endpoint:
        done = replay(whatif, endpoint, "--dry-run", models="cheap,dear", usd="0.001")
        told = replay(whatif, endpoint, "--dry-run", "--format", "json", models="cheap,dear")
        # Its price comes from genai-prices: a replay would copy it into the book.
        assert replay(whatif, endpoint, "--dry-run", models="gpt-4o-mini").code == 0
        assert endpoint.requests == 0
        assert counts() == before
        real = replay(whatif, endpoint, models="cheap,dear")
    assert real.code == 0
    assert "sample    7 prompts for 7 calls" in done.out
    assert "will not reach every prompt" in done.out
    lines = {(line["name"], line["purpose"]): line for line in json.loads(told.out)["lines"]}
    assert lines["cheap", "answers"]["n_prompts"] == 7
    most = sum(Decimal(line["most_usd"]) for line in lines.values())
    assert Decimal(0) < spent(connection) <= most


def test_a_budget_is_never_exceeded_and_a_larger_one_goes_on(whatif: Lqo, connection: Connection) -> None:
    land(connection, questions(20))
    with judge_endpoint_in_thread(play(GRADES)) as endpoint:
        poor = replay(whatif, endpoint, "--format", "json", models="cheap,dear", usd="0.4")
        assert spent(connection) <= Decimal("0.4")
        connection.rollback()
        n_paid = endpoint.paid
        again = replay(whatif, endpoint, "--format", "json", models="cheap,dear", usd="0.4")
        assert endpoint.paid == n_paid
        rich = replay(whatif, endpoint, "--format", "json", models="cheap,dear", usd="5")
        needed = 20 * 3 + 20 * 2
        assert endpoint.paid == needed
    found = points(poor)
    assert 0 < n_paid < needed
    assert "skipped_budget" in found["dear"]["unscored"]
    assert 0 < found["dear"]["n_graded"] < 20
    assert 0 < found["cheap"]["n_graded"] <= 20
    assert points(again) == found
    assert points(rich)["dear"]["n_graded"] == 20
    assert connection.execute("select count(*), max(outcome) from evaluation.replays").fetchone() == (
        1,
        "finished",
    )


def test_a_budget_that_pays_for_nothing_asks_nothing(whatif: Lqo, connection: Connection) -> None:
    land(connection, questions(4))
    with judge_endpoint_in_thread(play(GRADES)) as endpoint:
        done = replay(whatif, endpoint, "--format", "json", usd="0.0001")
        assert endpoint.requests == 0
    assert points(done)["cheap"]["unscored"] == {"skipped_budget": 4}


def test_what_costs_money_without_an_answer_is_counted_as_if_it_cost_the_most(
    whatif: Lqo, connection: Connection
) -> None:
    land(connection, questions(3))
    endpoint = play(GRADES)
    played = endpoint.answer
    endpoint.answer = lambda body: (
        Reply(resets=True) if "Q1" in str(body) and body["model"] == "cheap" else played(body)
    )
    with judge_endpoint_in_thread(endpoint):
        found = points(replay(whatif, endpoint, "--format", "json"))
        again = points(replay(whatif, endpoint, "--format", "json"))
        assert len([each for each in endpoint.ledger if each.body["model"] == "cheap"]) == 3
    assert found["cheap"]["n_graded"] == again["cheap"]["n_graded"] == 2
    assert again["cheap"]["unscored"] == {"paid_before": 1}
    row = connection.execute(
        "select spent_usd = reserved_usd, is_known from evaluation.replay_claims"
        " where not is_known and purpose = 'replay'"
    ).fetchone()
    assert row == (True, False)


def test_what_an_endpoint_refuses_is_free_and_is_asked_again(whatif: Lqo, connection: Connection) -> None:
    land(connection, questions(3))
    endpoint = play(GRADES)
    played = endpoint.answer
    endpoint.answer = lambda body: (
        error(400, message="not today") if body["model"] == "cheap" else played(body)
    )
    with judge_endpoint_in_thread(endpoint):
        refused = points(replay(whatif, endpoint, "--format", "json"))
        free = connection.execute(
            "select sum(spent_usd) from evaluation.replay_claims where purpose = 'replay'"
        ).fetchone()
        connection.rollback()
        endpoint.answer = played
        mended = points(replay(whatif, endpoint, "--format", "json"))
    assert refused["cheap"]["unscored"] == {"error": 3}
    assert free == (0,)
    assert mended["cheap"]["n_graded"] == 3


def test_a_key_that_is_refused_ends_it_in_one_line_and_costs_nothing(
    whatif: Lqo, connection: Connection
) -> None:
    land(connection, questions(3))
    endpoint = play(GRADES)
    endpoint.answer = lambda body: error(401, message="who are you")
    with judge_endpoint_in_thread(endpoint):
        done = replay(whatif, endpoint)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("lqo: cheap: endpoint says 401")
    assert spent(connection) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--max-usd", "0"), "the budget is more than 0 USD"),
        (("--max-usd", "much"), "'much' is no amount in USD"),
        (("--from", "yesterday"), "'yesterday' is no day"),
        (("--models", ""), "name a model"),
        (("--models", "cheap,cheap"), "a model is named twice"),
        (("--by", "moon"), "strata are of model, prompt"),
        (("--models", "unheard-of"), "unheard-of has no price"),
        (("--models", JUDGE), "would judge itself"),
        (("--judge", "old"), "old would judge itself"),
        (("--judge-parameter", "max_tokens=null"), "has no limit of tokens"),
        (("--source-model", "nobody"), "there is no call to replay"),
    ],
)
def test_what_cannot_be_is_one_line_and_asks_nobody(
    options: tuple[str, ...], says: str, whatif: Lqo, connection: Connection
) -> None:
    land(connection, questions(3))
    with judge_endpoint_in_thread(play(GRADES)) as endpoint:
        done = replay(whatif, endpoint, *options)
        assert endpoint.requests == 0
    assert connection.execute("select count(*) from evaluation.replays").fetchone() == (0,)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("lqo: ")
    assert says in done.err
    assert done.err.count("\n") == 1


def test_a_frontier_is_shown_listed_and_drawn(whatif: Lqo, connection: Connection, tmp_path: Path) -> None:
    land(connection, questions(4, model="=old"))
    chart = tmp_path / "frontier.svg"
    assert whatif("frontier").code == 2
    assert whatif("replays").out.startswith("no replays yet")
    with judge_endpoint_in_thread(play(GRADES)) as endpoint:
        done = replay(whatif, endpoint, "--chart", str(chart), models="cheap,dear")
    assert "dominated by cheap" in done.out
    assert "spent, finished" in done.out
    rows = list(csv.DictReader(whatif("frontier", "--format", "csv").out.splitlines()))
    assert [row["model"] for row in rows] == ["'=old", "cheap", "dear"]
    assert float(rows[1]["grade_difference"]) == 1
    assert "4 prompts through cheap, dear" in whatif("replays").out
    shown = whatif("frontier").out
    connection.execute(UNDER_WAY)
    connection.commit()
    assert whatif("frontier").out == shown
    text = chart.read_text()
    assert text.startswith("<svg")
    assert "=old (now)" in text
    assert "script" not in text


@pytest.mark.parametrize(("refuses", "after"), [("cheap", 2), (JUDGE, 0)])
def test_a_refusal_in_the_middle_of_a_tight_budget_ends_it_and_keeps_what_was_paid(
    refuses: str, after: int, whatif: Lqo, connection: Connection
) -> None:
    """Nobody may wait for ever for money that a failed request still holds."""
    land(connection, questions(20))
    endpoint = play(GRADES, latency_s=0.02)
    played, count = endpoint.answer, 0

    def answer(body: dict[str, Any]) -> Reply:
        nonlocal count
        count += body["model"] == refuses
        return error(401, message="no more") if body["model"] == refuses and count > after else played(body)

    endpoint.answer = answer
    with judge_endpoint_in_thread(endpoint):
        done = replay(whatif, endpoint, "--max-usd", "0.14")
        assert (done.code, done.out) == (2, "")
        assert "401" in done.err
        row = connection.execute(
            "select count(*) from evaluation.replay_claims where settled_at is null"
        ).fetchone()
        assert row == (0,)
        connection.rollback()
        endpoint.answer = played
        found = points(replay(whatif, endpoint, "--format", "json"))
    assert found["cheap"]["n_graded"] == 20


def test_what_another_provider_bills_is_asked_anew_though_it_stands_at_the_same_address(
    whatif: Lqo, connection: Connection
) -> None:
    """An answer that was taken over would have the other one's price."""
    land(connection, questions(6))
    set_prices(connection, provider="spot", times=Decimal("0.5"))
    with judge_endpoint_in_thread(play(GRADES)) as endpoint:
        for alias, provider in (("own", PROVIDER), ("spot", "spot")):
            add_model(connection, alias, provider=provider, model="cheap", base_url=endpoint.url)
        connection.commit()
        asked = ("--from", DAY, "--to", DAY, "--models", "own,spot", "--max-usd", "5", "--max-tokens", "200")
        at = ("--judge", JUDGE, "--judge-base-url", endpoint.url)
        found = points(whatif("replay", *asked, *at, "--format", "json"))
    assert found["own"]["usd_per_1k"]["value"] == 2 * found["spot"]["usd_per_1k"]["value"]


def test_what_a_judge_said_of_a_recorded_answer_stays_its_reason_for_the_second_candidate(
    whatif: Lqo, connection: Connection
) -> None:
    land(connection, questions(4))
    endpoint = play({"old answer 1": "none", **GRADES})
    with judge_endpoint_in_thread(endpoint):
        found = points(replay(whatif, endpoint, "--format", "json", models="cheap,dear"))
    assert found["old"]["unscored"] == {"parse_error": 1}


def test_a_missing_option_is_named_as_it_is_written(whatif: Lqo) -> None:
    done = whatif("replay", "--from", DAY, "--to", DAY, "--models", "cheap")
    assert (done.code, done.err) == (2, "lqo: Missing option '--max-usd'\n")
