"""Marts that are filled row by row, in a transaction that no test commits."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.alerts.definition.load import load_rules
from orchestration.alerts.definition.model import Rule
from tests.conftest import create_database, drop_database, fresh_database

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
SHIPPED = {rule.name: rule for rule in load_rules()}


def shipped(name: str) -> Rule:
    """The shipped rule of that name."""
    return SHIPPED[name]


@dataclass(slots=True)
class Marts:
    """Writes rows of the marts and of what their views read; counts and keys have plain defaults."""

    connection: psycopg.Connection[TupleRow]
    n_calls: int = 0

    def put(self, table: str, **values: object) -> None:
        """A row of `table` (of schema marts, unless it names another)."""
        schema, _, name = table.rpartition(".")
        given = {key: Jsonb(value) if isinstance(value, dict) else value for key, value in values.items()}
        query = sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(schema or "marts", name),
            sql.SQL(", ").join(map(sql.Identifier, given)),
            sql.SQL(", ").join([sql.Placeholder()] * len(given)),
        )
        self.connection.execute(query, [*given.values()])

    def hour(self, at: datetime, *, n: int, model: str = "m", **values: Any) -> None:
        """An hour of calls."""
        keys = {"provider": "p", "project": "shop", "key_id": "(none)", "n_ok": n, "n_error": 0}
        counts = {"n_interrupted": 0, "n_client_gone": 0, "n_scored": n, "n_failed": 0}
        money = {"n_priced": n, "n_unpriced": 0, "price_version": 1}
        self.put("calls_hourly", hour=at, model=model, n_calls=n, **{**keys, **counts, **money, **values})

    def ledger(self, at: datetime, *, evaluator: str, n: int, model: str = "m", **values: Any) -> None:
        """An hour of an evaluator's ledger."""
        keys = {"project": "shop", "evaluator_version": "1", "kind": "rule", "unscored_by_reason": {}}
        counts = {"n_eligible": n, "n_scored": n, "n_unscored": 0, "n_sampled_out": 0, "n_pending": 0}
        given = {**keys, **counts, **values}
        self.put("quality_hourly", hour=at, model=model, evaluator=evaluator, **given)

    def call(self, at: datetime, *, model: str | None = "m", **values: Any) -> UUID:
        """A call, some milliseconds after `at`."""
        self.n_calls += 1
        milliseconds = int(at.timestamp() * 1000) + self.n_calls
        call_id = UUID(int=milliseconds << 80 | 0x7 << 76 | 0x8 << 60 | self.n_calls)
        started_at = datetime.fromtimestamp(milliseconds / 1000, UTC)
        texts = dict.fromkeys(("source", "endpoint", "purpose", "body_state"), "x")
        keys = {"provider": "p", "project": "shop", "key_id": "(none)", "is_streamed": False, "status": "ok"}
        given = {**texts, **keys, **values}
        self.put("calls", call_id=call_id, started_at=started_at, model=model, **given)
        return call_id


@pytest.fixture(scope="session")
def alert_warehouse(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, modelled_template: str
) -> Iterator[DatabaseUrl]:
    """One database with empty marts for all tests of a worker: they roll back what they write."""
    yield from fresh_database(maintenance_url, owner_url, template=modelled_template)


@pytest.fixture
def marts(alert_warehouse: DatabaseUrl) -> Iterator[Marts]:
    """The owner's connection to it, as the engine has one."""
    with connect(alert_warehouse, application_name="tests (alerts)") as connection:
        yield Marts(connection)
        connection.rollback()


@pytest.fixture(scope="session")
def plain_warehouse(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, template: str
) -> Iterator[DatabaseUrl]:
    """One database without marts, likewise."""
    name = f"lqo_alerts_{uuid4().hex}"
    with connect(maintenance_url, autocommit=True) as maintenance:
        create_database(maintenance, name, owner=owner_url.user, template=template)
        yield owner_url.with_database(name)
        drop_database(maintenance, name)


@pytest.fixture
def rolled_back(plain_warehouse: DatabaseUrl) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection in a transaction that is never committed: what the engine commits is a savepoint of it."""
    with connect(plain_warehouse, application_name="tests (alerts)") as connection:
        connection.execute("select")
        yield connection
        connection.rollback()
