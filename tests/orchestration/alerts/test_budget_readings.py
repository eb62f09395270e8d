"""Budgets as alerts read them: what is spent in the running day or month, and how fast."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from orchestration.alerts.definition.model import BurnRate
from orchestration.alerts.reading.budgets import SPENT
from orchestration.alerts.reading.read import read_windows
from orchestration.alerts.reading.types import Group
from tests.orchestration.alerts.conftest import NOON, Marts, shipped

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PROJECT: Group = (("scope", "project"), ("subject", "shop"))
KEY: Group = (("scope", "key"), ("subject", "key_1"))


def budget(marts: Marts, scope: str, subject: str, *, period: str, usd: float) -> None:
    name = f"{scope}-{subject}-{period}-{usd}"
    marts.put("access.budgets", budget_id=name, scope=scope, subject=subject, period=period, limit_usd=usd)


@pytest.fixture
def spent(marts: Marts) -> Marts:
    """5 USD today, 20 USD a day since the month began, 100 USD in the month before; by a key of shop."""
    marts.hour(NOON - 2 * HOUR, n=10, amount_usd=5, key_id="key_1")
    for days in range(1, 10):
        marts.hour(NOON - days * DAY, n=10, amount_usd=20, key_id="key_1")
    marts.hour(NOON - 10 * DAY, n=10, amount_usd=100, key_id="key_1")
    marts.hour(NOON - HOUR, n=10, amount_usd=None, n_priced=0, n_unpriced=10)
    return marts


def test_of_several_budgets_the_one_that_is_spent_most_counts(spent: Marts) -> None:
    budget(spent, "project", "shop", period="month", usd=370)
    budget(spent, "project", "shop", period="day", usd=50)
    budget(spent, "key", "key_1", period="day", usd=10)
    budget(spent, "user", "u1", period="day", usd=1)

    (found,) = read_windows(spent.connection, shipped("budget_spent"), windows=[(NOON - 12 * HOUR, NOON)])

    assert {group: sums.value for group, sums in found.items()} == {PROJECT: 185 / 370, KEY: 0.5}
    assert found[PROJECT].n == 110


def test_a_budget_of_nothing_is_spent_with_the_first_cent(spent: Marts) -> None:
    budget(spent, "key", "key_1", period="day", usd=0)
    budget(spent, "project", "empty", period="day", usd=0)

    (found,) = read_windows(spent.connection, shipped("budget_spent"), windows=[(NOON - 12 * HOUR, NOON)])

    assert [sums.value for _, sums in sorted(found.items())] == [1.0, 0.0]


def test_a_pace_has_the_windows_spend_and_the_least_budget_of_its_period(spent: Marts) -> None:
    for usd in (700, 300):
        budget(spent, "project", "shop", period="month", usd=usd)
    budget(spent, "project", "shop", period="day", usd=1)
    rule = shipped("budget_burn")
    windows = [(NOON - 2 * HOUR, NOON), (NOON - DAY, NOON)]

    short, long = read_windows(spent.connection, rule, windows=windows)

    assert (short[PROJECT].numerator, short[PROJECT].denominator) == (5, 300)
    assert (long[PROJECT].numerator, long[PROJECT].denominator) == (25, 300)
    daily = msgspec.structs.replace(rule, condition=BurnRate(period="day", long="6h", short="1h", factor=2))
    (found,) = read_windows(spent.connection, daily, windows=windows[:1])
    assert found[PROJECT].denominator == 1


def test_however_many_budgets_there_are_the_mart_is_read_once_a_span(spent: Marts) -> None:
    for number in range(10):
        budget(spent, "key", f"key_{number}", period="month", usd=5)
    values = {"starts": [NOON - HOUR], "ends": [NOON], "period": None, "is_period": True}
    explained = spent.connection.execute(f"explain (analyze, format json) {SPENT}", values).fetchone()
    assert explained is not None

    assert sum(loops_of(explained[0][0]["Plan"], "calls_hourly")) == 1


def loops_of(plan: dict[str, Any], relation: str) -> Iterator[int]:
    """How often each scan of a relation was made."""
    if plan.get("Relation Name") == relation:
        yield plan["Actual Loops"]
    for below in plan.get("Plans", ()):
        yield from loops_of(below, relation)
