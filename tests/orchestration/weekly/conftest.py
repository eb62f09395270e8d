"""Marts that are filled row by row: what a report says is then known without a calculation."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import ceil, log
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from reports.weekly.week import parse_week
from tests.conftest import fresh_database

WEEK = parse_week("2026-W46")
MONDAY = WEEK.first_day
NOW = WEEK.end + timedelta(hours=7)
EMPTY: LiteralString = """
truncate
    marts.calls_hourly, marts.cost_daily, marts.failing_hourly, marts.traffic_mix, marts.quality_by_prompt,
    marts.latency_daily_histogram, marts.evaluation_coverage, marts.quality_daily, marts.judge_mix_daily,
    evaluation.drift_findings, alerting.outbox, alerting.acknowledgements, alerting.events
"""


@dataclass(frozen=True, slots=True)
class Marts:
    """Writes rows of the marts; a column that is not given has a plain default."""

    connection: psycopg.Connection[TupleRow]

    def put(self, table: str, **values: object) -> None:
        given = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()}
        query = sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier("marts", table),
            sql.SQL(", ").join(map(sql.Identifier, given)),
            sql.SQL(", ").join([sql.Placeholder()] * len(given)),
        )
        self.connection.execute(query, list(given.values()))

    def day(
        self,
        day: date,
        *,
        model: str = "m",
        n: int = 100,
        failed: int = 0,
        scored: int | None = None,
        errors: int = 0,
        rule_set: int = 1,
        usd: str | None = "1.5",
        ms: float = 1000.0,
        prompt: str = "(none)",
        project: str = "(none)",
    ) -> None:
        """A day of one model's calls, all in its noon hour, in every mart that the report reads."""
        scored = n if scored is None else scored
        hour = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        priced = n if usd is not None else 0
        keys: dict[str, Any] = {"provider": "p", "model": model, "project": project, "key_id": "(none)"}
        money: dict[str, Any] = {"n_priced": priced, "n_unpriced": n - priced, "amount_usd": usd}
        money["price_version"] = 7 if usd is not None else None
        ends = {"n_ok": n - errors, "n_error": errors, "n_interrupted": 0, "n_client_gone": 0}
        self.put(
            "calls_hourly", hour=hour, n_calls=n, n_scored=scored, n_failed=failed, **ends, **keys, **money
        )
        self.put("cost_daily", day=day, n_calls=n, **keys, **money)
        if scored:
            counted = {"n_scored": scored, "n_failed": failed}
            self.put("failing_hourly", hour=hour, model=model, rule_set_version=rule_set, **counted)
            self.put(
                "traffic_mix",
                day=day,
                project=project,
                model=model,
                prompt_class="open",
                language="en",
                length_band="short",
                rule_set_version=rule_set,
                n_calls=n,
                n_ok=n - errors,
                n_error=errors,
                n_priced=priced,
                amount_usd=usd,
                **counted,
            )
            self.put(
                "quality_by_prompt",
                day=day,
                project=project,
                prompt_name=prompt,
                prompt_version="1",
                model=model,
                evaluator="rules",
                evaluator_version=str(rule_set),
                n_calls=n,
                amount_usd=usd,
                **counted,
            )
        bucket = ceil(log(ms) / log(1.01 / 0.99))
        histogram = {"measure": "latency", "bucket": bucket, "n_calls": n - errors}
        self.put("latency_daily_histogram", day=day, model=model, project=project, **histogram)

    def coverage(
        self,
        day: date,
        evaluator: str = "refusal",
        *,
        version: str = "1.0.0",
        kind: str = "rule",
        **counts: Any,
    ) -> None:
        """A day of an evaluator's ledger."""
        ledger = {"n_eligible": 0, "n_scored": 0, "n_unscored": 0, "n_sampled_out": 0, "n_pending": 0}
        values = {**ledger, "unscored_by_reason": {}, **counts}
        self.put(
            "evaluation_coverage",
            day=day,
            evaluator=evaluator,
            evaluator_version=version,
            kind=kind,
            **values,
        )


@pytest.fixture(scope="session")
def report_warehouse(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, modelled_template: str
) -> Iterator[DatabaseUrl]:
    """One deployed database for all tests of a worker: a fresh one each would take most of their time."""
    yield from fresh_database(maintenance_url, owner_url, template=modelled_template)


@pytest.fixture
def marts(report_warehouse: DatabaseUrl) -> Iterator[Marts]:
    """Deployed, empty marts."""
    with connect(report_warehouse, autocommit=True, application_name="tests") as connection:
        connection.execute(EMPTY)
        yield Marts(connection)
