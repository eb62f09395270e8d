"""Budgets in memory: never more than the limit, whatever ends in which order."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from ingest.limits.ledger import (
    Ledger,
    Overdrawn,
    Spend,
    account_of,
    dollars,
    period_end,
    period_of,
    pico,
)

SEOUL = timezone(timedelta(hours=9))


def spend(amount: int, *, limit: int = 100, account: str = "bud@2026-11") -> Spend:
    return Spend(account, "key", "month", limit, amount, 0)


def reserve(ledger: Ledger, *spends: Spend) -> int:
    number = ledger.reserve(spends)
    assert isinstance(number, int)
    return number


def test_reservations_never_pass_the_limit() -> None:
    ledger = Ledger(epoch="e")
    granted = [number for _ in range(50) if isinstance(number := ledger.reserve([spend(30)]), int)]
    assert len(granted) == 3
    assert ledger.committed("bud@2026-11") == 90


def test_a_settled_call_frees_what_it_did_not_spend() -> None:
    ledger = Ledger(epoch="e")
    first = reserve(ledger, spend(100))
    assert isinstance(ledger.reserve([spend(1)]), Overdrawn)
    assert ledger.settle(first, amount=40) == {"bud@2026-11": 40}
    assert ledger.committed("bud@2026-11") == 40
    reserve(ledger, spend(60))


def test_a_call_settled_twice_is_spent_once() -> None:
    ledger = Ledger(epoch="e")
    number = reserve(ledger, spend(50))
    ledger.settle(number, amount=50)
    assert ledger.settle(number, amount=50) == {}
    assert ledger.committed("bud@2026-11") == 50


def test_of_several_budgets_all_are_reserved_or_none() -> None:
    ledger = Ledger(epoch="e")
    refused = ledger.reserve([spend(10, account="a@2026-11"), spend(10, limit=5, account="b@2026-11")])
    assert isinstance(refused, Overdrawn)
    assert refused.spend.account == "b@2026-11"
    assert ledger.committed("a@2026-11") == 0


def test_a_budget_of_nothing_refuses_a_call_that_costs_nothing() -> None:
    assert isinstance(Ledger(epoch="e").reserve([spend(0, limit=0)]), Overdrawn)


@pytest.mark.parametrize(
    ("at", "day", "month"),
    [
        (datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC), "b@2026-12-31", "b@2026-12"),
        (datetime(2027, 1, 1, tzinfo=UTC), "b@2027-01-01", "b@2027-01"),
        (datetime(2027, 1, 1, 8, 59, tzinfo=SEOUL), "b@2026-12-31", "b@2026-12"),
        (datetime(2027, 1, 1, 9, 0, tzinfo=SEOUL), "b@2027-01-01", "b@2027-01"),
    ],
)
def test_days_and_months_turn_at_midnight_utc(at: datetime, day: str, month: str) -> None:
    assert account_of("b", period="day", at=at, subject_tag=None) == day
    assert account_of("b", period="month", at=at, subject_tag=None) == month


def test_a_period_ends_where_the_next_begins() -> None:
    at = datetime(2026, 12, 31, 12, tzinfo=UTC)
    assert (
        period_end("day", at=at) == period_end("month", at=at) == datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    )
    leap = datetime(2028, 2, 1, tzinfo=UTC)
    assert period_end("month", at=leap) - leap.timestamp() == 29 * 86_400


def test_a_call_that_runs_over_midnight_stays_in_the_period_it_began_in() -> None:
    ledger = Ledger(epoch="e")
    number = reserve(ledger, spend(80, account="b@2026-11"))
    reserve(ledger, spend(80, account="b@2026-12"))
    ledger.settle(number, amount=80)
    assert ledger.committed("b@2026-11") == 80
    assert ledger.committed("b@2026-12") == 80


def test_periods_that_are_over_are_forgotten() -> None:
    spent = dict.fromkeys(["b@2026-10", "b@2026-10-31#a", "b@2026-11", "b@2026-11-03", "b@2026-11-02#x"], 1)
    ledger = Ledger(epoch="e", spent=spent)
    ledger.forget_before("2026-11-03")
    assert set(ledger.state().spent) == {"b@2026-11", "b@2026-11-03"}


def test_the_period_is_read_out_of_an_account() -> None:
    assert period_of("b@2026-11-02#x@y") == "2026-11-02"
    assert period_of("b@2026-11") == "2026-11"


def test_amounts_are_rounded_up_and_printed_plainly() -> None:
    assert pico(Decimal("0.0000000000001")) == 1
    assert dollars(pico(Decimal("12.50"))) == "12.5"
    assert dollars(1) == "0.000000000001"
    assert dollars(0) == "0"


def test_what_somebody_who_knows_better_says_counts() -> None:
    ledger = Ledger(epoch="e", spent={"bud@2026-11": 5})
    number = reserve(ledger, spend(20))
    ledger.learn("bud@2026-11", 70)
    assert ledger.committed("bud@2026-11") == 70
    ledger.settle(number, amount=0)
    assert ledger.committed("bud@2026-11") == 50
