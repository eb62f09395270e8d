"""Budgets as alerts read them: what is spent in the running day or month, and how fast."""

from collections.abc import Iterator
from datetime import datetime, timedelta
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


def test_users_and_budgets_for_each_one_are_read_by_what_the_proxies_counted(spent: Marts) -> None:
    budget(spent, "user", "*", period="month", usd=40)
    budget(spent, "key", "*", period="day", usd=10)
    for hours, account, subject, usd in (
        (1, "user-*-month-40@2026-11#t1", "이영희 🎈", 6),
        (50, "user-*-month-40@2026-11#t1", "이영희 🎈", 24),
        (1, "user-*-month-40@2026-11#t2", None, 4),
        (1, "key-*-day-10@2026-11-10#t3", "key_1", 9),
        (13, "key-*-day-10@2026-11-09#t3", "key_1", 1000),
    ):
        counted(spent, NOON - hours * HOUR, account, subject=subject, usd=usd)

    (found,) = read_windows(spent.connection, shipped("budget_spent"), windows=[(NOON - 12 * HOUR, NOON)])

    shares = {(dict(group)["scope"], dict(group)["subject"]): sums.value for group, sums in found.items()}
    assert shares == {("user", "이영희 🎈"): 0.75, ("user", "t2"): 0.1, ("key", "key_1"): 0.9}
    (burnt,) = read_windows(spent.connection, shipped("budget_burn"), windows=[(NOON - 2 * HOUR, NOON)])
    pace = burnt[(("scope", "user"), ("subject", "이영희 🎈"))]
    assert (pace.numerator, pace.denominator, pace.n) == (6, 40, 3)


def counted(marts: Marts, at: datetime, account: str, *, subject: str | None, usd: float) -> None:
    """An hour in which three calls spent this by the proxies' count."""
    name, _, rest = account.partition("@")
    period, _, tag = rest.partition("#")
    keys = {"budget_id": name, "period": period, "subject_tag": tag, "subject": subject, "n_calls": 3}
    gap = {"unpriced_usd": 0, "without_end_usd": 0, "differing_usd": 0}
    marts.put(
        "budget_spending_hourly", hour=at, account=account, spent_usd=usd, charged_usd=usd, **keys, **gap
    )


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
