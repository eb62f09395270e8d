"""The mart `budgets`: as new as the loaders, projected by the pace of whole days, clear about its age."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.limits.ledger import account_of
from ingest.limits.subjects import tag
from ingest.uuid7 import uuid7
from tests.conftest import fresh_database

# With the modules that share a warm dbt and a modelled template.
pytestmark = pytest.mark.xdist_group("analysed")

Connection = psycopg.Connection[TupleRow]
HOUR = timedelta(hours=1)
SPOOL = UUID(int=7)


@pytest.fixture(scope="module")
def deployed(
    maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, modelled_template: str
) -> Iterator[DatabaseUrl]:
    yield from fresh_database(maintenance_url, owner_url, template=modelled_template)


@pytest.fixture
def db(deployed: DatabaseUrl) -> Iterator[Connection]:
    """A connection whose writes are gone after the test; a database that keeps another time than ours."""
    with connect(deployed) as connection:
        connection.execute("set time zone 'America/New_York'")
        for month in {now(connection), now(connection) - timedelta(days=7)}:
            connection.execute("select ingest.ensure_month(%s)", (month.date(),))
        yield connection
        connection.rollback()


def now(db: Connection) -> datetime:
    """The moment of the transaction, which is the mart's, too: no midnight comes between them."""
    (found,) = db.execute("select now()").fetchone() or ()
    return found.astimezone(UTC)


def this_hour(db: Connection) -> datetime:
    return now(db).replace(minute=0, second=0, microsecond=0)


def put_budget(db: Connection, scope: str, subject: str, *, period: str = "month", usd: str = "100") -> str:
    name = f"bud_{uuid4().hex[:8]}"
    db.execute(
        "insert into access.budgets (budget_id, scope, subject, period, limit_usd)"
        " values (%s, %s, %s, %s, %s)",
        (name, scope, subject, period, usd),
    )
    return name


def put_hour(db: Connection, account: str, at: datetime, usd: str, *, subject: str | None = None) -> None:
    """What the marts know of an hour: as much was charged as was spent."""
    db.execute(
        """
        insert into marts.budget_spending_hourly
        select
            %(at)s, %(account)s, split_part(%(account)s, '@', 1),
            split_part(split_part(%(account)s, '@', 2), '#', 1), split_part(%(account)s, '#', 2), %(subject)s,
            2, %(usd)s::numeric, %(usd)s::numeric, 0, 0, 0
        """,
        {"at": at, "account": account, "usd": usd, "subject": subject},
    )


def put_call(db: Connection, account: str, *, at: datetime, reserved: str, spent: str | None) -> None:
    call_id = uuid7(at)
    db.execute(
        """
        insert into raw.reservations (started_at, call_id, accounts, reserved_usd, spent_usd, spool_id)
        values (ingest.uuid7_time(%(id)s), %(id)s, array[%(account)s], %(reserved)s, %(spent)s, %(spool)s)
        """,
        {"id": call_id, "account": account, "reserved": reserved, "spent": spent, "spool": SPOOL},
    )


def put_spool(db: Connection, *, seen_at: datetime, is_retired: bool = False) -> None:
    db.execute(
        "insert into ingest.spools (spool_id, host, path, seen_at, retired_at) values (%s, 'h', '/', %s, %s)",
        (uuid4(), seen_at, seen_at if is_retired else None),
    )


def read(db: Connection) -> list[dict[str, Any]]:
    cursor = db.execute("select * from marts.budgets order by scope, subject, period")
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def account(
    db: Connection,
    budget: str,
    *,
    period: str = "month",
    at: datetime | None = None,
    subject: str | None = None,
) -> str:
    return account_of(budget, period=period, at=at or now(db), subject_tag=subject and tag(subject))


def test_a_budget_that_nobody_used_is_there(db: Connection) -> None:
    put_budget(db, "project", "shop")
    put_budget(db, "user", "*", period="day", usd="0")
    shop, each = read(db)
    assert (shop["subject"], shop["spent_usd"], shop["share_spent"], shop["state"]) == (
        "shop",
        0,
        0.0,
        "within",
    )
    assert (each["subject"], each["is_each"], each["state"]) == ("*", True, "used up")
    assert shop["projected_breach_at"] is each["projected_breach_at"] is None
    assert shop["projected_usd"] == 0.0


def test_hours_that_the_marts_have_not_seen_are_read_from_the_reservations(db: Connection) -> None:
    mine = account(db, put_budget(db, "key", "key_1"))
    put_hour(db, mine, this_hour(db), "5")
    put_call(db, mine, at=now(db), reserved="9", spent="5")
    put_call(db, mine, at=now(db) + timedelta(milliseconds=1), reserved="9", spent="1.000000000001")
    put_call(db, mine, at=now(db) + timedelta(milliseconds=2), reserved="0.5", spent=None)
    (stale,) = read(db)
    assert (stale["spent_usd"], stale["waiting_usd"]) == (5, 0)
    db.execute("insert into raw.dirty_hours (hour, stage) values (%s, 'calls')", (this_hour(db),))
    (row,) = read(db)
    assert (row["reserved_usd"], row["spent_usd"]) == (Decimal("0.5"), Decimal("6.000000000001"))
    assert (row["charged_usd"], row["gap_usd"], row["waiting_usd"]) == (
        5,
        Decimal("1.000000000001"),
        Decimal("1.000000000001"),
    )
    assert (row["n_calls"], row["n_open"]) == (2, 1)
    assert row["oldest_open_at"] <= now(db) + timedelta(milliseconds=2)


def test_periods_are_utc_whatever_the_session_says(db: Connection) -> None:
    for period in ("day", "month"):
        put_budget(db, "project", "shop", period=period)
    day, month = read(db)
    midnight = now(db).replace(hour=0, minute=0, second=0, microsecond=0)
    assert (day["period_start"], day["resets_at"]) == (now(db).date(), midnight + timedelta(days=1))
    first = midnight.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    assert (month["period_start"], month["resets_at"]) == (first.date(), following)


def test_a_new_period_is_projected_by_the_pace_of_the_one_before(db: Connection) -> None:
    """A day that has just begun: yesterday's 24 hours say how fast it goes, not its own first minutes."""
    budget = put_budget(db, "project", "shop", period="day", usd="1000")
    for hours in range(24, 0, -1):
        at = this_hour(db) - hours * HOUR
        put_hour(db, account(db, budget, period="day", at=at - timedelta(days=1)), at, "2")
    (row,) = read(db)
    assert row["spent_usd"] == 0
    assert 48 / 25 <= row["usd_per_hour"] <= 2.0
    hours_left = (row["resets_at"] - now(db)) / HOUR
    assert row["projected_usd"] == pytest.approx(row["usd_per_hour"] * hours_left, rel=1e-3)
    assert (row["state"], row["projected_breach_at"]) == ("within", None)


def test_the_first_minutes_of_a_budget_are_not_taken_for_its_pace(db: Connection) -> None:
    """One dollar in the first hour of a monthly budget counts as a dollar a day."""
    mine = account(db, put_budget(db, "project", "shop", usd="1000000"))
    put_hour(db, mine, this_hour(db), "1")
    (row,) = read(db)
    assert row["usd_per_hour"] == pytest.approx(1 / 24)


def test_a_budget_that_goes_too_fast_says_when_it_will_be_used_up(db: Connection) -> None:
    budget = put_budget(db, "project", "shop", period="day", usd="0.02")
    put_hour(db, account(db, budget, period="day"), this_hour(db), "0.0199999999")
    put_spool(db, seen_at=now(db))
    (row,) = read(db)
    assert row["usd_per_hour"] == pytest.approx(0.02, rel=1e-6)
    assert row["state"] == "will be used up"
    assert now(db) - HOUR < row["projected_breach_at"] < row["resets_at"]
    put_call(db, account(db, budget, period="day"), at=now(db), reserved="0.001", spent=None)
    (row,) = read(db)
    assert (row["state"], row["projected_breach_at"]) == ("used up", None)


def test_each_user_of_a_budget_for_every_one_has_a_row(db: Connection) -> None:
    budget = put_budget(db, "user", "*", usd="4")
    for user, usd in (("u1", "1"), ("이영희 🎈", "3")):
        put_hour(db, account(db, budget, subject=user), this_hour(db), usd, subject=user)
    assert [(row["subject"], row["share_spent"]) for row in read(db)] == [("u1", 0.25), ("이영희 🎈", 0.75)]


def test_a_rotated_key_is_shown_as_the_first_of_its_line(db: Connection) -> None:
    db.execute(
        "insert into access.api_keys (key_id, prefix, secret_hash, owner)"
        " values ('key_first', 'p', 'h', 'kim')"
    )
    budget = put_budget(db, "key", "*")
    put_hour(db, account(db, budget, subject="key_first"), this_hour(db), "1", subject="key_second")
    assert [row["subject"] for row in read(db)] == ["key_first"]


def test_a_proxy_that_died_with_its_loader_makes_the_figures_old(db: Connection) -> None:
    put_budget(db, "project", "shop")
    assert read(db)[0]["as_of"] is None
    put_spool(db, seen_at=now(db) - 9 * HOUR, is_retired=True)
    put_spool(db, seen_at=now(db))
    assert read(db)[0]["as_of"] == now(db)
    put_spool(db, seen_at=now(db) - 3 * HOUR)
    assert read(db)[0]["as_of"] == now(db) - 3 * HOUR
