"""Aggregates of cost against sums over the calls and the charges themselves, to the last digit."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from tests.dbt_project.marts import records
from tests.dbt_project.seed import LAST_DAY

pytestmark = pytest.mark.xdist_group("analysed")

Connection = psycopg.Connection[TupleRow]
Row = dict[str, Any]

CHARGES = """
select
    (charges.started_at at time zone 'UTC')::date as day,
    charges.*,
    calls.project,
    calls.purpose,
    calls.status,
    attempt = max(attempt) over (partition by call_id) as is_last
from cost.charges
inner join raw.llm_calls as calls using (started_at, call_id)
"""


@pytest.fixture
def reader(analysed: DatabaseUrl) -> Iterator[Connection]:
    with connect(analysed) as connection:
        yield connection
        connection.rollback()


def total(rows: list[Row], name: str = "amount_usd") -> Decimal:
    return sum((row[name] for row in rows if row[name] is not None), Decimal(0))


def test_every_charge_is_in_one_line_and_one_purpose(reader: Connection) -> None:
    def line(charge: Row) -> str:
        if not charge["is_last"]:
            return "failed_attempt"
        if charge["status"] == "error":
            return "failed_call"
        return "fallback" if charge["attempt"] else "answer"

    wanted: defaultdict[tuple[object, ...], list[Any]] = defaultdict(lambda: [0, 0, Decimal(0)])
    for charge in records(reader, CHARGES):
        key = (charge["day"], charge["project"] or "(none)", charge["purpose"], line(charge))
        wanted[key][0] += 1
        wanted[key][1] += charge["is_last"]
        wanted[key][2] += charge["amount_usd"] or 0
    found = {
        tuple(row.values())[:4]: list(row.values())[4:]
        for row in records(
            reader,
            "select day, project, purpose, line, sum(n_attempts) as n, sum(n_calls) as calls,"
            " coalesce(sum(amount_usd), 0) as usd from marts.cost_attempts_daily group by 1, 2, 3, 4",
        )
    }
    assert found == wanted
    assert {key[3] for key in found} == {"answer", "fallback", "failed_attempt", "failed_call"}
    assert {key[2] for key in found} >= {"product", "judge", "demo"}


def test_users_and_units_are_sums_over_calls(reader: Connection) -> None:
    calls = records(reader, "select (started_at at time zone 'UTC')::date as day, * from marts.calls")
    by_user: defaultdict[tuple[object, ...], list[Row]] = defaultdict(list)
    by_unit: defaultdict[tuple[object, ...], list[Row]] = defaultdict(list)
    for call in calls:
        by_user[call["day"], call["project"], call["user_id"] or "(none)", call["model"]].append(call)
        for model in (call["model"], "(all)"):
            by_unit[call["day"], call["project"], model].append(call)
    users = records(reader, "select * from marts.cost_by_user")
    assert len(users) == len(by_user)
    for row in users:
        own = by_user[row["day"], row["project"], row["user_id"], row["model"]]
        assert (row["n_calls"], row["amount_usd"] or 0) == (len(own), total(own))
    hours = """
        select
            (hour at time zone 'UTC')::date as day, project, user_id, model,
            sum(n_calls) as n_calls, sum(amount_usd) as amount_usd, count(*) as n_hours
        from marts.cost_by_user_hourly group by 1, 2, 3, 4
    """
    by_hour = records(reader, hours)
    assert len(by_hour) == len(by_user)
    assert max(row["n_hours"] for row in by_hour) > 1
    for row in by_hour:
        own = by_user[row["day"], row["project"], row["user_id"], row["model"]]
        assert (row["n_calls"], row["amount_usd"] or 0) == (len(own), total(own))
    units = records(reader, "select * from marts.unit_costs_daily")
    assert len(units) == len(by_unit)
    for row in units:
        own = by_unit[row["day"], row["project"], row["model"]]
        priced = [call for call in own if call["amount_usd"] is not None]
        scored = [call for call in own if call["is_failed"] is not None]
        n_passed = sum(not call["is_failed"] for call in scored if call["amount_usd"] is not None)
        assert (row["n_calls"], row["n_priced"], row["n_passed"]) == (len(own), len(priced), n_passed)
        assert row["usd_per_call"] == pytest.approx(total(priced) / len(priced))
        assert row["usd_per_passed_call"] == pytest.approx(total(scored) / n_passed)
        sessions = {call["session_id"] for call in priced} - {None}
        assert row["n_sessions"] == len(sessions)


def test_a_point_of_a_grade_costs_what_a_call_costs_by_it(reader: Connection) -> None:
    rows = records(reader, "select * from marts.quality_costs_daily")
    assert rows
    for row in rows:
        assert float(row["usd_per_point"]) == pytest.approx(float(row["usd_per_call"]) / row["mean_score"])


def test_movers_compare_whole_days_and_split_volume_from_rate(reader: Connection) -> None:
    day = LAST_DAY - timedelta(days=1)
    rows = records(reader, "select * from marts.cost_movers where period = 'day' and dimension = 'model'")
    sums = {
        (row["day"], row["model"]): row
        for row in records(
            reader,
            "select day, model, sum(amount_usd) as usd, sum(n_attempts) as n from marts.cost_attempts_daily"
            " where purpose <> 'demo' group by 1, 2",
        )
    }
    assert {row["name"] for row in rows} == {f"model-{n}" for n in range(4)}
    for row in rows:
        now, before = sums[day, row["name"]], sums[day - timedelta(days=1), row["name"]]
        assert (row["first_day"], row["last_day"]) == (day, day)
        assert (row["amount_usd"], row["before_usd"]) == (now["usd"], before["usd"])
        assert row["delta_usd"] == now["usd"] - before["usd"] == row["volume_usd"] + row["rate_usd"]
        assert row["volume_usd"] == pytest.approx(before["usd"] * (now["n"] - before["n"]) / before["n"])
    by_size = sorted(rows, key=lambda row: -abs(row["delta_usd"]))
    assert [row["place"] for row in by_size] == [1, 2, 3, 4]


def test_movers_tell_users_apart(reader: Connection) -> None:
    query = """
        select name, amount_usd - coalesce(usd, 0) as off
        from marts.cost_movers
        left join lateral (
            select sum(amount_usd) as usd from marts.cost_by_user where user_id = name and day = last_day
        ) as users on true
        where period = 'day' and dimension = 'user'
    """
    rows = records(reader, query)
    assert len(rows) > 1
    assert {row["off"] for row in rows} == {0}
