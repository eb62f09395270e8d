"""Statements of months: stated once, adjusted later, and adding up to what the calls cost."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.cost.chargeback import ChargebackError, close_month, read_statement
from tests.orchestration.test_cli import lqo

Connection = psycopg.Connection[TupleRow]
SEPTEMBER, OCTOBER, NOVEMBER = (date(2026, month, 1) for month in (9, 10, 11))
LATER = datetime(2027, 1, 1, tzinfo=UTC)

CHARGE = """
insert into cost.charges (started_at, call_id, attempt, provider, model, amount_usd)
values (%(at)s, gen_random_uuid(), 0, 'openai', 'house', %(usd)s)
"""
# The mart as dbt fills it: an hour's charges as one row of a project.
MODEL = """
insert into marts.cost_hourly (
    hour, provider, model, project, environment, key_id, prompt_name, prompt_version, purpose, line,
    service_tier, n_attempts, n_calls, n_priced, n_unpriced, n_without_usage, amount_usd
)
values (
    %(at)s, 'openai', 'house', %(project)s, '(none)', 'key-1', '(none)', '(none)', %(purpose)s, 'answer',
    'standard', 1, 1, 1, 0, 0, %(usd)s
)
on conflict (
    hour, provider, model, project, environment, key_id, prompt_name, prompt_version, purpose, line,
    service_tier
) do update set amount_usd = excluded.amount_usd
"""
CLOSE_DAY = """
insert into evaluation.day_closes (day, n_calls) values (%(at)s::date, 1) on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class Books:
    """A warehouse whose charges are made by hand."""

    connection: Connection

    def charge(self, day: str, usd: str, *, project: str = "chat", purpose: str = "product") -> None:
        """A charge on a closed day that the mart has taken."""
        given = {"at": f"{day}T05:00Z", "usd": Decimal(usd), "project": project, "purpose": purpose}
        for statement in (CHARGE, MODEL, CLOSE_DAY):
            self.connection.execute(statement, given)
        self.connection.commit()

    def restate(self, day: str, usd: str) -> None:
        """Another price for what there is on a day of `chat`."""
        given = {"at": f"{day}T05:00Z", "usd": Decimal(usd), "project": "chat", "purpose": "product"}
        self.connection.execute(
            "update cost.charges set amount_usd = %(usd)s where started_at = %(at)s", given
        )
        self.connection.execute(MODEL, given)
        self.connection.commit()

    def close(self, month: date) -> dict[tuple[str, str], Decimal]:
        """Close a month; amounts by month of the calls and project."""
        lines = close_month(self.connection, month, closed_by="ada", now=LATER).lines
        return {(f"{line.of_month:%m}", line.project): line.amount_usd for line in lines}

    def compared(self, month: date, *, compare_all: bool = False) -> list[date]:
        """Close a month; the months before that it was compared with."""
        return [
            *close_month(self.connection, month, closed_by="ada", now=LATER, compare_all=compare_all).compared
        ]

    def problem(self, month: date, now: datetime = LATER) -> str:
        with pytest.raises(ChargebackError) as caught:
            close_month(self.connection, month, closed_by="ada", now=now)
        return str(caught.value)


@pytest.fixture
def books(modelled_warehouse: DatabaseUrl) -> Iterator[Books]:
    with connect(modelled_warehouse) as connection:
        for month in (SEPTEMBER, OCTOBER, NOVEMBER):
            connection.execute("select ingest.ensure_month(%s)", [month])
        connection.commit()
        yield Books(connection)


def test_what_changes_after_a_close_is_an_adjustment_of_the_next_month(books: Books) -> None:
    books.charge("2026-09-30", "1.10")
    books.charge("2026-09-29", "0.000000000001", project="search")
    books.charge("2026-09-29", "7", project="demo", purpose="demo")
    books.charge("2026-10-01", "5")
    september = books.close(SEPTEMBER)
    assert september == {("09", "chat"): Decimal("1.10"), ("09", "search"): Decimal("1E-12")}

    books.restate("2026-09-30", "0.90")
    books.charge("2026-09-02", "3", project="late")
    assert read_statement(books.connection, SEPTEMBER).amount_usd == Decimal("1.100000000001")
    assert books.close(OCTOBER) == {
        ("09", "chat"): Decimal("-0.20"),
        ("09", "late"): Decimal(3),
        ("10", "chat"): Decimal(5),
    }
    # What has been adjusted is not adjusted again; what was taken back is.
    books.restate("2026-09-30", "1.10")
    assert books.close(NOVEMBER) == {("09", "chat"): Decimal("0.20")}
    stated = books.connection.execute("select sum(amount_usd) from cost.chargeback_lines").fetchone()
    cost = books.connection.execute(
        "select sum(amount_usd) from marts.cost_hourly where purpose <> 'demo'"
    ).fetchone()
    assert stated == cost == (Decimal("9.100000000001"),)


def test_only_months_that_changed_since_the_last_close_are_compared(books: Books) -> None:
    months = [date(2026, month, 1) for month in range(6, 12)]
    for month in months:
        books.connection.execute("select ingest.ensure_month(%s)", [month])
        books.charge(f"{month:%Y-%m}-02", "1")
    compared = [books.compared(month) for month in months[:3]]
    books.restate("2026-06-02", "2")
    books.charge("2026-07-03", "1", project="late")
    compared += [books.compared(month) for month in months[3:5]]
    compared.append(books.compared(months[5], compare_all=True))
    assert compared == [[], [], [], months[:2], [], months[:5]]


def test_a_month_is_closed_once_in_turn_and_when_it_is_over_and_complete(books: Books) -> None:
    books.charge("2026-09-30", "1")
    books.charge("2026-10-31", "2")
    assert books.problem(OCTOBER, now=datetime(2026, 10, 31, 23, tzinfo=UTC)) == "2026-10 is not over"
    assert books.problem(OCTOBER).startswith("2026-09 has charges: close it first, or let the books begin")
    books.close(SEPTEMBER)
    assert books.problem(SEPTEMBER) == "2026-09 is closed already"
    assert books.problem(NOVEMBER) == "close 2026-10 first: it has charges"
    given = {"at": "2026-10-15T05:00Z", "usd": Decimal(4)}
    books.connection.execute(CHARGE, given)
    books.connection.commit()
    assert books.problem(OCTOBER).startswith("cost_hourly holds 1 attempts and 2 USD of 2026-10, the charges")
    books.connection.execute(MODEL, given | {"project": "chat", "purpose": "product"})
    books.connection.commit()
    assert books.problem(OCTOBER).startswith("days of 2026-10 are not closed yet: 15 (")
    books.connection.execute(CLOSE_DAY, given)
    books.connection.execute("update evaluation.day_closes set reopened_at = now() where day = '2026-10-31'")
    books.connection.commit()
    assert books.problem(OCTOBER).endswith("lqo backfill llm_calls --from 2026-10-31 --to 2026-10-31)")
    books.connection.execute("update evaluation.day_closes set reopened_at = null")
    books.connection.commit()
    assert books.close(OCTOBER) == {("10", "chat"): Decimal(6)}


def test_an_empty_month_begins_the_books_only_where_that_is_said(books: Books) -> None:
    books.charge("2026-09-29", "7", project="demo", purpose="demo")
    assert books.problem(SEPTEMBER).startswith("2026-09 has nothing to state (demo calls are left out)")
    close_month(books.connection, SEPTEMBER, closed_by="ada", begins=True, now=LATER)
    assert books.close(OCTOBER) == {}


@pytest.mark.parametrize(
    "change",
    [
        "update cost.chargeback_lines set amount_usd = 0",
        "delete from cost.chargeback_lines",
        "truncate cost.chargebacks, cost.chargeback_lines",
        "update cost.chargebacks set closed_by = 'mallory'",
    ],
)
def test_a_closed_month_cannot_be_changed(books: Books, change: str) -> None:
    books.charge("2026-09-30", "1")
    books.close(SEPTEMBER)
    with pytest.raises(psycopg.errors.RaiseException, match="never changed"):
        books.connection.execute(change.encode())
    books.connection.rollback()


def test_a_change_past_the_guard_shows(books: Books) -> None:
    books.charge("2026-09-30", "1")
    books.close(SEPTEMBER)
    assert read_statement(books.connection, SEPTEMBER).is_intact
    books.connection.execute("alter table cost.chargeback_lines disable trigger closed_months_stay")
    books.connection.execute("update cost.chargeback_lines set amount_usd = 0.5")
    assert not read_statement(books.connection, SEPTEMBER).is_intact
    books.connection.rollback()
    # The head of a statement is no less a promise than its lines.
    books.connection.execute("alter table cost.chargebacks disable trigger closed_months_stay")
    books.connection.execute("update cost.chargebacks set amount_usd = 0.5")
    assert not read_statement(books.connection, SEPTEMBER).is_intact


def test_the_command_closes_shows_and_exports(
    books: Books, modelled_warehouse: DatabaseUrl, tmp_path: Path
) -> None:
    env = {"DATABASE_URL": modelled_warehouse.libpq()}
    books.charge("2026-09-30", "1.5", project="=cmd()")
    books.charge("2026-09-30", "0.25", project="검색🙂", purpose="judge")
    books.charge("2026-09-30", "0.5", project="검색🙂", purpose="replay")
    closed = lqo(tmp_path, "chargeback", "close", "2026-09", "--by", "ada", **env)
    assert (closed.returncode, closed.stdout.splitlines()[0]) == (0, "closed 2026-09: 3 lines, 2.25 USD")
    seal = closed.stdout.splitlines()[1]
    again = lqo(tmp_path, "chargeback", "close", "2026-09", **env)
    assert (again.returncode, again.stderr) == (1, "lqo: 2026-09 is closed already\n")
    shown = lqo(tmp_path, "chargeback", "show", **env).stdout.splitlines()
    head = "month state project product judging replays adjustments total unpriced"
    assert shown[0].split() == head.split()
    zero = "0.0000"
    assert shown[1].split() == ["2026-09", "closed", "=cmd()", "1.5000", zero, zero, zero, "1.5000", "0"]
    assert shown[2].split()[2:] == ["검색🙂", zero, "0.2500", "0.5000", zero, "0.7500", "0"]
    # The seal stands outside the database as well, for whoever keeps it.
    assert shown[3].endswith(f"by ada, 2.25 USD, {seal}")
    months = books.connection.execute(
        "select project, product_usd, judging_usd, replays_usd, total_usd from marts.chargeback_months"
    ).fetchall()
    assert sorted(months)[1] == ("검색🙂", 0, Decimal("0.25"), Decimal("0.5"), Decimal("0.75"))
    exported = lqo(tmp_path, "chargeback", "export", "2026-09", **env)
    rows = list(csv.DictReader(io.StringIO(exported.stdout)))
    assert [(row["project"], row["kind"], row["amount_usd"]) for row in rows] == [
        ("'=cmd()", "charge", "1.5"),
        ("검색🙂", "charge", "0.25"),
        ("검색🙂", "charge", "0.5"),
    ]
    nobody = lqo(tmp_path, "chargeback", "export", "2026-09", "--project", "nobody", **env)
    assert (nobody.returncode, nobody.stdout) == (1, "")
    csv_rows = csv.DictReader(
        io.StringIO(lqo(tmp_path, "chargeback", "show", "--format", "csv", **env).stdout)
    )
    assert [row["total_usd"] for row in csv_rows] == ["1.5", "0.75"]
    assert lqo(tmp_path, "chargeback", "close", "soon", **env).returncode == 2
