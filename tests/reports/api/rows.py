"""Odd rows of marts: hours of which nothing was scored, groups of one call, names that bite."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

DAY = date(2026, 11, 2)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
BITING = "o'brien\"; drop table marts.calls; -- %s %(x)s \\ 한국어 🙂"
FINGERPRINT = "f00dfeedf00dfeed"
N_CALLS = 25
SPACING = timedelta(minutes=20)

LEDGER = {"n_sampled_out": 0, "n_pending": 0, "coverage": 1.0}
RULE = {"kind": "rule", "evaluator": "refusal", "evaluator_version": "1.0.0", **LEDGER}
JUDGE = {"kind": "judge", "evaluator": "helpfulness", "evaluator_version": "7", **LEDGER}
SUMS = {"sum_w": 4.0, "sum_wy": 14.0, "sum_ww": 4.0, "sum_wwy": 14.0, "sum_wywy": 51.0}


def add(connection: Connection[TupleRow], table: str, **values: Any) -> None:
    """One row; columns that are left out are null."""
    statement = SQL("insert into {} ({}) values ({})").format(
        SQL(table),  # pyright: ignore[reportArgumentType]
        SQL(", ").join(map(Identifier, values)),
        SQL(", ").join(SQL("%s") for _ in values),
    )
    connection.execute(statement, list(values.values()))


def fill(connection: Connection[TupleRow]) -> None:
    _quality(connection)
    _costs(connection)
    _breakdowns(connection)
    _comparison(connection)
    _calls(connection)
    _alerts(connection)


def _quality(connection: Connection[TupleRow]) -> None:
    scored = {"n_eligible": 100, "n_scored": 80, "n_failed": 8, "n_unscored": 20}
    for model, project in (("a", "p"), ("a", "q"), (BITING, "p")):
        key = {"model": model, "project": project, **RULE, **scored}
        reasons = {"unscored_by_reason": Jsonb({"not_applicable": 20})}
        add(connection, "marts.quality_hourly", hour=NOON, **key, **reasons)
        add(connection, "marts.quality_daily", day=DAY, **key)
        add(connection, "marts.quality_daily", day=DAY + timedelta(days=7), **key)
    # A judge that could say nothing of a whole hour.
    nothing = {"n_eligible": 3, "n_scored": 0, "n_unscored": 3, "n_clusters": 0, **JUDGE, "coverage": 0.0}
    reasons = {"unscored_by_reason": Jsonb({"parse_error": 3})}
    add(connection, "marts.quality_hourly", hour=NOON, model="a", project="p", **nothing, **reasons)
    add(connection, "marts.quality_daily", day=DAY, model="a", project="p", **nothing)
    graded = {"n_eligible": 4, "n_scored": 4, "n_unscored": 0, "n_clusters": 4, **JUDGE, **SUMS}
    add(connection, "marts.quality_daily", day=DAY, model="a", project="q", **graded, mean_score=3.5)


def _costs(connection: Connection[TupleRow]) -> None:
    key = {"provider": "openai", "key_id": "key_1"}
    for number, (model, amount) in enumerate((("a", "0.000000000001"), ("b", None), (BITING, "12.5"))):
        add(
            connection,
            "marts.cost_daily",
            day=DAY + timedelta(days=number),
            model=model,
            project="p" if number else "q",
            n_calls=10,
            n_priced=10 if amount else 0,
            n_unpriced=0 if amount else 10,
            input_uncached=1_000,
            amount_usd=amount,
            **key,
        )


def _breakdowns(connection: Connection[TupleRow]) -> None:
    rules = {"evaluator": "rules", "evaluator_version": "1", "failed_rules": Jsonb({}), "project": "p"}
    counts = {"n_calls": 1, "n_scored": 0, "n_failed": 0, "coverage": 0.0, "n_priced": 0}
    for user in ("one-call", BITING):
        add(connection, "marts.quality_by_user", day=DAY, user_id=user, model="a", **rules, **counts)
    busy = {"n_calls": 40, "n_scored": 40, "n_failed": 4, "coverage": 1.0, "n_priced": 40, "amount_usd": 2}
    for number in range(2):
        day = DAY + timedelta(days=number)
        add(connection, "marts.quality_by_user", day=day, user_id="busy", model="a", **rules, **busy)
        add(
            connection,
            "marts.quality_by_prompt",
            day=day,
            prompt_name="greeting",
            prompt_version=f"v{number}",
            model="a",
            **rules,
            **busy,
        )


def _comparison(connection: Connection[TupleRow]) -> None:
    stratum = {"day": DAY, "project": "p", "prompt_class": "math", "language": "en", "length_band": "0-99"}
    counts = {"n_calls": 40, "n_ok": 40, "n_error": 0, "n_scored": 40, "n_failed": 4, "n_priced": 0}
    for model in ("a", "b"):
        add(connection, "marts.traffic_mix", model=model, rule_set_version=1, **stratum, **counts)
        for evaluator in ("helpfulness", "langfuse.toxicity"):
            judged = {"evaluator": evaluator, "evaluator_version": "7", "n_scored": 4, "n_clusters": 4}
            add(connection, "marts.judge_mix_daily", model=model, **stratum, **judged, **SUMS)
    for evaluator, kind in (("helpfulness", "judge"), ("langfuse.toxicity", "external")):
        version = {"evaluator": evaluator, "version": "7", "kind": kind, "status": "active"}
        add(connection, "evaluation.evaluator_versions", **version)
    connection.execute(
        "insert into evaluation.calibrations"
        " (evaluator_version_id, stratum, n, n_clusters, agreement, figures, state)"
        " select id, 'overall', 200, 150, 0.9, '{}', 'ok'"
        " from evaluation.evaluator_versions where kind = 'judge'"
    )


def call_id(number: int) -> UUID:
    """The id of call `number`, a v7 of its time."""
    milliseconds = int((NOON + number * SPACING).timestamp() * 1000)
    return UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | number)


def _calls(connection: Connection[TupleRow]) -> None:
    for number in range(N_CALLS):
        add(
            connection,
            "marts.calls",
            call_id=call_id(number),
            started_at=NOON + number * SPACING,
            source="proxy",
            endpoint="chat/completions",
            provider="openai",
            model="a" if number % 2 else BITING,
            project="p" if number < 20 else "q",
            key_id="key_1",
            user_id="busy" if number == 3 else None,
            purpose="product",
            is_streamed=False,
            body_state="none",
            status="ok",
            failed_rules=["refusal"] if number % 5 == 0 else [],
            unscored_rules=Jsonb({}),
            n_rules_scored=1,
            n_rules_failed=int(number % 5 == 0),
            is_failed=number % 5 == 0,
            rule_set_version=1,
            unpriced_reason="not_charged",
        )

    hours = {NOON + number * SPACING - timedelta(minutes=20 * (number % 3)) for number in range(N_CALLS)}
    for hour in hours:
        counts = {"n_calls": 3, "n_ok": 3, "n_error": 0, "n_interrupted": 0, "n_client_gone": 0}
        scores = {"n_scored": 3, "n_failed": 0, "n_priced": 0, "n_unpriced": 3}
        key = {"provider": "openai", "model": "a", "project": "p", "key_id": "key_1"}
        add(connection, "marts.calls_hourly", hour=hour, **key, **counts, **scores)


def _alerts(connection: Connection[TupleRow]) -> None:
    for number, transition in enumerate(("firing", "resolved", "firing")):
        add(
            connection,
            "alerting.events",
            event_id=UUID(int=number),
            rule="failing_share",
            group_key=BITING,
            fingerprint=FINGERPRINT,
            transition=transition,
            severity="critical",
            message="an alert",
            happened_at=NOON + timedelta(hours=number),
        )
    add(
        connection,
        "alerting.states",
        rule="failing_share",
        group_key=BITING,
        fingerprint=FINGERPRINT,
        dimensions=Jsonb({"model": BITING}),
        labels=Jsonb({"team": "검색 🙂"}),
        state="firing",
        since=NOON + timedelta(hours=2),
        value=0.4,
        n=90,
        severity="critical",
        owner="search",
        evaluated_at=NOON + timedelta(hours=3),
        event_id=UUID(int=2),
    )
    add(
        connection,
        "alerting.states",
        rule="judge_grades",
        group_key="a",
        fingerprint="0" * 16,
        state="pending",
        since=NOON,
        severity="warning",
        evaluated_at=NOON,
    )
    add(
        connection,
        "alerting.silences",
        rule="failing_share",
        starts_at=NOON + timedelta(hours=1, minutes=30),
        ends_at=NOON + timedelta(hours=3),
        reason="maintenance",
        created_by="ops",
    )
