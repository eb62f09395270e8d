"""A close that compares only the months that changed states what one that compares all of them states.

Two warehouses live through one random history; in the one every close compares all months. Seals hold each
statement and all before it, so that equal seals are equal books.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.cost.chargeback import ChargebackError, Statement, close_month, read_statement
from tests.conftest import fresh_database

Connection = psycopg.Connection[TupleRow]
MONTHS = [date(2026, month, 1) for month in range(1, 13)]
LATER = datetime(2027, 1, 1, tzinfo=UTC)
DAYS_CLOSED: LiteralString = """
insert into evaluation.day_closes (day, n_calls)
select day, 1 from generate_series('2026-01-01'::date, '2026-12-31', interval '1 day') as days (day)
"""
# A call is its own charge and its own row of the mart, so that both have the same sums.
CHARGE: LiteralString = """
insert into cost.charges (started_at, call_id, attempt, provider, model, amount_usd)
values (%(at)s, gen_random_uuid(), 0, 'openai', 'house', %(usd)s)
"""
MODEL: LiteralString = """
insert into marts.cost_hourly (
    hour, provider, model, project, environment, key_id, prompt_name, prompt_version, purpose, line,
    service_tier, n_attempts, n_calls, n_priced, n_unpriced, n_without_usage, amount_usd
)
values (
    %(at)s, 'openai', 'house', %(project)s, '(none)', 'key-1', '(none)', '(none)', %(purpose)s, 'answer',
    'standard', 1, 1, 1, 0, 0, %(usd)s
)
"""
REPRICE: LiteralString = (
    "update marts.cost_hourly set amount_usd = amount_usd + %(delta)s where hour = %(at)s"
)
RECHARGE: LiteralString = (
    "update cost.charges set amount_usd = amount_usd + %(delta)s where started_at = %(at)s"
)
WITHDRAW: LiteralString = """
update marts.cost_hourly set amount_usd = null, n_priced = 0, n_unpriced = 1 where hour = %(at)s
"""
UNCHARGE: LiteralString = """
update cost.charges set amount_usd = null, unpriced_reason = 'unknown_model' where started_at = %(at)s
"""
# As dbt does it: what is otherwise goes, what is lacking comes.
RENAME: LiteralString = """
with gone as (
    delete from marts.cost_hourly
    where project = %(project)s and hour >= %(at)s and hour < %(at)s + interval '1 month'
    returning *
)
insert into marts.cost_hourly
select named.*
from gone
cross join lateral jsonb_populate_record(
    null::marts.cost_hourly, to_jsonb(gone) || jsonb_build_object('project', 'renamed')
) as named
"""
MAKE_ANEW: tuple[LiteralString, ...] = (
    "create temp table kept on commit drop as select * from marts.cost_hourly",
    "truncate marts.cost_hourly",
    """
    insert into marts.cost_hourly
    select * from kept where hour < %(at)s or hour >= %(at)s + interval '1 month'
    """,
    "delete from cost.charges where started_at not in (select hour from marts.cost_hourly)",
)
WAITS: LiteralString = "select from pg_locks where pid = %s and not granted"
STATED: LiteralString = "select sum(amount_usd), sum(n_attempts) from cost.chargeback_lines"
MODELLED: LiteralString = """
select sum(amount_usd), sum(n_attempts) from marts.cost_hourly where purpose <> 'demo'
"""


@dataclass(slots=True)
class History:
    """Things that happen to both warehouses alike; `twin` is the one whose closes compare everything. `until`
    is the place of the month that is closed next."""

    url: DatabaseUrl
    connection: Connection
    twin: Connection
    draw: random.Random
    calls: list[datetime] = field(default_factory=list[datetime])
    until: int = 0

    def execute(self, *statements: LiteralString, **given: Any) -> None:
        for connection in (self.connection, self.twin):
            for statement in statements:
                connection.execute(statement, given or None)
            connection.commit()

    def plan(self) -> list[Callable[["History"], None]]:
        """What happens before the next close: little enough that most months stay as they are."""
        between = self.draw.choices(OPERATIONS, k=self.draw.randrange(4))
        between += self.draw.sample(SELDOM, k=self.draw.randrange(2))
        self.draw.shuffle(between)
        return [*(History.call,) * 4, *between]

    def call(self) -> None:
        """One more call of the month, or of the next."""
        self._call_in(self.draw.choice(MONTHS[self.until :][:2]))

    def call_late(self) -> None:
        self._call_in(self.draw.choice(MONTHS[: self.until + 1]))

    def _call_in(self, month: date) -> None:
        """Each at an hour of its own."""
        at = self._begin(month) + timedelta(hours=self.draw.randrange(27 * 24))
        if at in self.calls:
            return
        self.calls.append(at)
        usd = Decimal(self.draw.randrange(1, 10**6)).scaleb(-12)
        project = self.draw.choice(("chat", "search", "검색 🎈"))
        purpose = self.draw.choice(("product", "product", "judge", "demo"))
        self.execute(CHARGE, MODEL, at=at, usd=usd, project=project, purpose=purpose)

    def correct(self) -> None:
        self._reprice(self.draw.choice(self.calls), Decimal(self.draw.randrange(1, 999)).scaleb(-12))

    def correct_and_take_back(self) -> None:
        at, delta = self.draw.choice(self.calls), Decimal(self.draw.randrange(1, 999)).scaleb(-12)
        self._reprice(at, delta)
        self._reprice(at, -delta)

    def correct_two_that_cancel_out(self) -> None:
        delta = Decimal(self.draw.randrange(1, 999)).scaleb(-12)
        self._reprice(self.draw.choice(self.calls), delta)
        self._reprice(self.draw.choice(self.calls), -delta)

    def withdraw_a_price(self) -> None:
        self.execute(WITHDRAW, UNCHARGE, at=self.draw.choice(self.calls))

    def rename(self) -> None:
        self.execute(RENAME, project=self.draw.choice(("chat", "renamed")), at=self._month())

    def lose_a_call(self) -> None:
        at = self.draw.choice(self.calls)
        self.calls.remove(at)
        self.execute(
            "delete from cost.charges where started_at = %(at)s",
            "delete from marts.cost_hourly where hour = %(at)s",
            at=at,
        )

    def move_to_another_hour(self) -> None:
        """Into another month, perhaps: the row is one that was updated in place."""
        at, to = self.draw.choice(self.calls), self._month() + timedelta(hours=self.draw.randrange(600))
        if to in self.calls:
            return
        self.calls[self.calls.index(at)] = to
        for statement in (
            "update marts.cost_hourly set hour = %(to)s where hour = %(at)s",
            "update cost.charges set started_at = %(to)s where started_at = %(at)s",
        ):
            self.execute(statement, at=at, to=to)

    def make_the_mart_anew(self) -> None:
        """Without a month that there was."""
        self.execute(*MAKE_ANEW, at=self._month())
        self.calls = [
            at for (at,) in self.connection.execute("select hour from marts.cost_hourly order by 1")
        ]
        self.connection.commit()

    def take_a_trigger_away(self) -> None:
        """And do what it would have seen."""
        unseen = {
            "books_see_inserts": self.call_late,
            "books_see_updates": self.correct,
            "books_see_deletes": self.lose_a_call,
        }
        trigger = self.draw.choice([*unseen])
        found = self.connection.execute("select from pg_trigger where tgname = %s", [trigger]).fetchone()
        if found is not None:
            drop, disable = f"drop trigger {trigger} on", "alter table"
            end = {drop: "", disable: f" disable trigger {trigger}"}
            verb = self.draw.choice((drop, disable))
            self.connection.execute(f"{verb} marts.cost_hourly{end[verb]}".encode())
        self.connection.commit()
        unseen[trigger]()

    def kill_a_close(self) -> None:
        """The server's process of a close dies when all has been computed and nothing is kept."""
        with connect(self.url) as doomed, connect(self.url) as holder:
            holder.execute("lock table cost.chargebacks in share mode")
            thread = threading.Thread(target=_close_in_vain, args=(doomed, MONTHS[self.until]))
            thread.start()
            while holder.execute(WAITS, [pid := doomed.info.backend_pid]).fetchone() is None:
                assert thread.is_alive()
            holder.execute("select pg_terminate_backend(%s)", [pid])
            thread.join()

    def close(self, month: date) -> tuple[Statement, Statement]:
        both = (
            close_month(self.connection, month, closed_by="ada", begins=True, now=LATER),
            close_month(self.twin, month, closed_by="ada", begins=True, compare_all=True, now=LATER),
        )
        with pytest.raises(ChargebackError, match="closed already"):
            close_month(self.connection, month, closed_by="ada", now=LATER)
        return both

    def _month(self) -> datetime:
        return self._begin(self.draw.choice(MONTHS[: self.until + 1]))

    def _begin(self, month: date) -> datetime:
        return datetime(month.year, month.month, 1, tzinfo=UTC)

    def _reprice(self, at: datetime, delta: Decimal) -> None:
        self.execute(REPRICE, RECHARGE, at=at, delta=delta)


OPERATIONS = (
    History.call_late,
    History.call_late,
    History.correct,
    History.correct_and_take_back,
    History.correct_two_that_cancel_out,
    History.withdraw_a_price,
    History.rename,
    History.lose_a_call,
    History.move_to_another_hour,
)
SELDOM = (History.make_the_mart_anew, History.take_a_trigger_away, History.kill_a_close)


@contextmanager
def a_history(seed: int, one: DatabaseUrl, other: DatabaseUrl) -> Iterator[History]:
    with connect(one) as connection, connect(other) as twin:
        history = History(one, connection, twin, random.Random(seed))
        for month in MONTHS:
            history.execute("select ingest.ensure_month(%(month)s)", month=month)
        history.execute(DAYS_CLOSED)
        yield history


@pytest.fixture
def warehouses(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, modelled_template: str
) -> Iterator[tuple[DatabaseUrl, DatabaseUrl]]:
    for one in fresh_database(maintenance_url, owner_url, template=modelled_template):
        for other in fresh_database(maintenance_url, owner_url, template=modelled_template):
            yield one, other


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_between_closes_the_books_are_those_of_a_full_comparison(
    seed: int, warehouses: tuple[DatabaseUrl, DatabaseUrl]
) -> None:
    with a_history(seed, *warehouses) as history:
        for history.until, month in enumerate(MONTHS):
            for operation in history.plan():
                operation(history)
            shown = read_statement(history.connection, month)
            closed, full = history.close(month)
            assert closed.seal == full.seal
            assert [*closed.lines] == [*full.lines] == [*shown.lines]
            assert {*closed.compared} <= {*full.compared}
        stated, modelled = (history.connection.execute(each).fetchone() for each in (STATED, MODELLED))
        assert stated == modelled


def _close_in_vain(connection: Connection, month: date) -> None:
    with pytest.raises(psycopg.OperationalError):
        close_month(connection, month, closed_by="ada", begins=True, now=LATER)
