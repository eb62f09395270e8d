"""Restatements and gaps as marts, and the checks that nothing changes silently and nothing is absurd."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import LiteralString

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.checks.money import check_amounts, check_closed_days
from orchestration.closing import close_day
from orchestration.cost.charging import charge_corrected, charge_window
from orchestration.cost.price_book import import_prices
from tests.orchestration.cost.test_charging import prices
from tests.orchestration.seeding import DAY, DAY_START, add_calls, rows

Connection = psycopg.Connection[TupleRow]
TODAY = date(2026, 10, 14)


@pytest.fixture
def closed(modelled_warehouse: DatabaseUrl) -> Iterator[Connection]:
    """A closed day of ten charged calls of house-a, $0.00015 each, five of them reported to cost the same."""
    reported: dict[str, object] = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "cost": 0.0002,
    }
    with connect(modelled_warehouse) as connection:
        with connection.transaction():
            add_calls(connection, 5, model="house-a")
            add_calls(connection, 5, model="house-a", seed="b", usage=reported)
        import_prices(connection, prices("house-a", "1"), source="file")
        charge_window(connection, [DAY])
        close_day(connection, TODAY)
        yield connection


def failing(connection: Connection) -> list[date]:
    return [check.day for check in check_closed_days(connection, [TODAY]) if not check.passed]


def test_a_correction_is_explained_and_both_figures_stay(closed: Connection) -> None:
    assert failing(closed) == []
    before = rows(closed, "select clock_timestamp()")[0][0]
    import_prices(closed, prices("house-a", "3"), source="file")
    charge_corrected(closed, [DAY])

    assert failing(closed) == []
    sums: LiteralString = "select n_charges, amount_usd from cost.day_sums order by seen_at"
    assert rows(closed, sums) == [(10, Decimal("0.0015")), (10, Decimal("0.0045"))]
    with closed.transaction():
        then = closed.execute("select sum(amount_usd) from cost.charges_as_known(%s)", (before,)).fetchone()
    assert then == (Decimal("0.0015"),)
    assert rows(
        closed,
        "select day, provider, model, project, purpose, reason, n_charges, old_usd, new_usd, delta_usd"
        " from marts.cost_restatements",
    ) == [
        (
            *(TODAY, "openai", "house-a", "(none)", "product", "repriced", 10),
            *(Decimal("0.0015"), Decimal("0.0045"), Decimal("0.003")),
        )
    ]


def test_no_moment_lies_between_what_a_correction_ends_and_begins(closed: Connection) -> None:
    import_prices(closed, prices("house-a", "3"), source="file")
    charge_corrected(closed, [DAY])

    ends = rows(closed, "select distinct superseded_at from cost.charge_history")
    assert ends == rows(closed, "select distinct charged_at from cost.charges")
    ends = rows(closed, "select distinct superseded_at from cost.prices where superseded_at is not null")
    assert ends == rows(
        closed, "select max(recorded_at) from cost.prices where model = 'house-a' and superseded_at is null"
    )


def test_restatements_of_restatements_add_up_to_the_whole_change(closed: Connection) -> None:
    for usd in ("3", "0", "2"):
        import_prices(closed, prices("house-a", usd), source="file")
        charge_corrected(closed, [DAY])

    found = rows(
        closed, "select old_usd, new_usd, price_version from marts.cost_restatements order by price_version"
    )
    assert [(old, new) for old, new, _ in found] == [
        (Decimal("0.0015"), Decimal("0.0045")),
        (Decimal("0.0045"), Decimal(0)),
        (Decimal(0), Decimal("0.003")),
    ]
    assert len({version for _, _, version in found}) == 3
    assert failing(closed) == []


@pytest.mark.parametrize(
    "tampering",
    [
        "update cost.charges set amount_usd = amount_usd * 2 where attempt = 0",
        "delete from cost.charges where call_id = (select max(call_id::text)::uuid from cost.charges)",
        "update cost.charges set output_text = output_text + 1, charged_at = clock_timestamp()",
        # What cancels out: a cost moved from one call to another, or a call to another project.
        "update cost.charges set amount_usd = amount_usd + case when call_id::text = ends.first then 0.0001"
        " else -0.0001 end from (select min(call_id::text) as first, max(call_id::text) as last"
        " from cost.charges) as ends where call_id::text in (ends.first, ends.last)",
        "update raw.llm_calls set project = 'another' where call_id = (select max(call_id::text)::uuid"
        " from raw.llm_calls)",
    ],
)
def test_a_silent_change_of_a_closed_day_fails_until_it_is_undone(
    closed: Connection, tampering: LiteralString
) -> None:
    assert failing(closed) == []
    with closed.transaction():
        closed.execute(tampering)

    assert failing(closed) == [TODAY]
    assert failing(closed) == [TODAY]
    assert rows(closed, "select count(*) from cost.day_sums") == [(1,)]


def test_a_silent_change_of_the_history_fails_as_well(closed: Connection) -> None:
    for usd in ("3", "2"):
        assert failing(closed) == []
        import_prices(closed, prices("house-a", usd), source="file")
        charge_corrected(closed, [DAY])
    assert failing(closed) == []
    # What the day was first said to cost: no figure of now hangs on it.
    with closed.transaction():
        closed.execute(
            "update cost.charge_history set amount_usd = amount_usd * 2 where amount_usd = 0.00015"
        )
    assert failing(closed) == [TODAY]


def test_a_day_looked_at_before_there_were_digests_is_held_by_its_sums(closed: Connection) -> None:
    assert failing(closed) == []
    with closed.transaction():
        closed.execute("update cost.day_sums set digest = null")
    assert failing(closed) == []
    assert rows(closed, "select count(*), count(digest) from cost.day_sums") == [(2, 1)]
    with closed.transaction():
        closed.execute("update cost.charges set amount_usd = amount_usd * 2")
    assert failing(closed) == [TODAY]


def test_calls_that_come_late_are_no_silent_change(closed: Connection) -> None:
    assert failing(closed) == []
    with closed.transaction():
        add_calls(closed, 2, model="house-a", seed="late")
    charge_window(closed, [DAY])

    assert failing(closed) == []
    assert rows(closed, "select n_charges from cost.day_sums order by 1") == [(10,), (12,)]


def test_old_closed_days_are_looked_at_in_turn(closed: Connection) -> None:
    with closed.transaction():
        add_calls(closed, 1, model="house-a", start=DAY_START - timedelta(days=1))
    close_day(closed, TODAY - timedelta(days=1))

    looked_at = [check_closed_days(closed, [date(2026, 11, 1)], look_back=0) for _ in range(2)]

    assert [[check.day for check in checks] for checks in looked_at] == [
        [TODAY - timedelta(days=1)],
        [TODAY],
    ]


def test_a_placeholder_price_is_caught_and_kept_out_of_the_gap(closed: Connection) -> None:
    assert [check.passed for check in check_amounts(closed, [TODAY])] == [True]
    absurd: dict[str, object] = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "cost": 999.0,
    }
    with closed.transaction():
        add_calls(closed, 1, model="house-a", seed="absurd", usage=absurd)
    charge_window(closed, [DAY])

    [check] = check_amounts(closed, [TODAY])

    assert (check.passed, check.n, len(check.call_ids)) == (False, 1, 1)
    assert rows(
        closed,
        "select n_compared, amount_usd, reported_usd, gap_usd, n_implausible, implausible_reported_usd"
        " from marts.cost_gaps",
    ) == [(5, Decimal("0.00075"), Decimal("0.001"), Decimal("0.00025"), 1, Decimal(999))]


def test_a_small_call_s_placeholder_is_caught_by_its_thousandfold(closed: Connection) -> None:
    for usd, n_bad in ((0.009, 0), (0.00009, 0), (0.16, 1)):
        usage: dict[str, object] = {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "cost": usd,
        }
        with closed.transaction():
            add_calls(closed, 1, model="house-a", seed=f"at {usd}", usage=usage)
        charge_window(closed, [DAY])
        [check] = check_amounts(closed, [TODAY])
        assert check.n == n_bad, usd
    with closed.transaction():
        closed.execute("update cost.charges set amount_usd = 0.000002 where reported_usd = 0.009")
    assert check_amounts(closed, [TODAY])[0].n == 2


def test_a_charge_is_made_at_the_time_its_figures_became_what_they_are(closed: Connection) -> None:
    before = rows(closed, "select distinct charged_at from cost.charges")
    import_prices(closed, prices("house-b", "3"), source="file")
    charge_window(closed, [DAY], reprice=True)
    assert rows(closed, "select distinct charged_at from cost.charges") == before
    assert all(at < datetime.now(UTC) for (at,) in before)
