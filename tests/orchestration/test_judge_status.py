"""What `lqo status` says of judges, line by line, on a real database."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from ingest.landing.months import ensure_months
from orchestration.commands.judge_status import judge_lines
from tests.orchestration.judging.setting import judge, policy

Connection = psycopg.Connection[TupleRow]

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def told(connection: Connection) -> list[tuple[str, str]]:
    return list(judge_lines(connection, now=NOW))


def of(connection: Connection, name: str) -> list[str]:
    return [value for line, value in told(connection) if line == name]


def configured(connection: Connection, **changes: Any) -> int:
    """The id of an enabled judge's version, under a policy with a budget."""
    policy(connection, max_usd_per_day=Decimal(5), max_calls_per_day=1_000)
    added = judge(connection, "http://127.0.0.1:1/v1", **changes)
    assert added.evaluator_version_id is not None
    return added.evaluator_version_id


def add_batch(connection: Connection, number: int, version: int, *, age: timedelta, **columns: Any) -> UUID:
    given: dict[str, Any] = {
        "id": UUID(int=number),
        "evaluator_version_id": version,
        "provider": "openai",
        "judge_model": "m",
        "base_url": "http://127.0.0.1:1/v1",
        "state": "submitted",
        "n_requests": 1_200,
        "n_bytes": 9,
        "prepared_at": NOW - age,
        **columns,
    }
    names = ", ".join(given)
    values = ", ".join(f"%({name})s" for name in given)
    connection.execute(f"insert into evaluation.judge_batches ({names}) values ({values})".encode(), given)
    return given["id"]


def test_without_a_judge_nothing_is_said(connection: Connection) -> None:
    assert told(connection) == []


def test_a_new_judge_is_shown_with_its_budget_and_that_it_may_not_alert(connection: Connection) -> None:
    configured(connection)
    lines = told(connection)
    assert lines[:2] == [
        ("judges", "1 enabled, 0 disabled"),
        ("judge budget used today", "default: 0 of 1,000 calls, $0.0000 of $5.00"),
    ]
    [(name, value)] = lines[2:]
    assert name == "judge may not alert"
    assert value.startswith("helpfulness ")
    assert value.endswith("is uncalibrated (nobody has compared it with people's labels)")


def test_a_judge_that_people_bear_out_is_not_held_up_to_anybody(connection: Connection) -> None:
    version = configured(connection)
    connection.execute(
        "insert into evaluation.calibrations (evaluator_version_id, stratum, n, n_clusters, figures, state)"
        " values (%s, 'overall', 100, 100, '{}', 'ok')",
        (version,),
    )
    assert of(connection, "judge may not alert") == []


def test_what_is_spent_today_counts_and_what_was_spent_yesterday_does_not(connection: Connection) -> None:
    configured(connection)
    connection.execute(
        "insert into evaluation.judge_spend (policy, scope, subject, n_calls, amount_usd, n_unpriced) values"
        " ('default', 'day', '2026-11-10', 12, 0.0123, 2), ('default', 'day', '2026-11-09', 900, 4, 0),"
        " ('default', 'backfill', 'b', 50, 1, 0)"
    )
    assert of(connection, "judge budget used today") == [
        "default: 12 of 1,000 calls, $0.0123 of $5.00, 2 without a price"
    ]


def test_what_waits_is_shown_with_its_oldest_day(connection: Connection) -> None:
    version = configured(connection)
    connection.execute(
        "create table marts.evaluation_coverage"
        " (day date, evaluator text, evaluator_version text, kind text, n_pending bigint)"
    )
    connection.execute(
        "insert into marts.evaluation_coverage values"
        " ('2026-11-08', 'tone', '1+a', 'judge', 1000), ('2026-11-09', 'tone', '1+a', 'judge', 234),"
        " ('2026-11-07', 'tone', '1+a', 'judge', 0), ('2026-11-01', 'refusal', '1', 'rule', 7)"
    )
    ensure_months(connection, [date(2026, 11, 1)])
    connection.execute(
        "insert into evaluation.judgements (started_at, call_id, evaluator_version_id, unscored_reason,"
        " judge_model, inclusion_probability, is_retriable)"
        " select '2026-11-09', gen_random_uuid(), %s, reason, 'm', 1, reason <> 'too_long'"
        " from unnest(array['error', 'skipped_budget', 'skipped_budget', 'too_long']) as reason",
        (version,),
    )
    assert of(connection, "judgements pending") == ["1,234 of tone 1+a (2 days, the oldest 2026-11-08)"]
    assert of(connection, "judgements to try again") == ["2 skipped_budget, 1 error"]


def test_open_stuck_and_failed_batches_are_told_apart(connection: Connection) -> None:
    version = configured(connection)
    add_batch(connection, 1, version, age=HOUR)
    slow = add_batch(connection, 2, version, age=27 * HOUR, provider_status="in_progress")
    ailing = add_batch(
        connection, 3, version, age=2 * HOUR, state="prepared", problem="401\nbad key", n_problems=4
    )
    for number, state, status, age, problem in (
        (4, "failed", "failed", 30 * HOUR, "line 7 is no JSON"),
        (5, "failed", None, 31 * HOUR, "an older one"),
        (6, "collected", "expired", 40 * HOUR, None),
        (7, "collected", "completed", 40 * HOUR, None),
        (8, "failed", "failed", 15 * 24 * HOUR, "long ago"),
    ):
        ended = {"state": state, "provider_status": status, "problem": problem, "collected_at": NOW - age}
        add_batch(connection, number, version, age=age, **ended)

    assert of(connection, "judge batches open") == [
        "3 with 3,600 requests, the oldest since 2026-11-09 09:00 UTC"
    ]
    assert of(connection, "judge batch stuck") == [
        f"{slow}, submitted (in_progress) since 2026-11-09 09:00 UTC: it has taken longer than a batch may",
        f"{ailing}, prepared (not asked yet) since 2026-11-10 10:00 UTC: 401 bad key (4 times)",
    ]
    assert of(connection, "judge batches failed") == [
        "2 in 14 days, the newest 2026-11-09 06:00 UTC: line 7 is no JSON"
    ]
    assert of(connection, "judge batches expired") == ["1 in 14 days, the newest 2026-11-08 20:00 UTC"]
