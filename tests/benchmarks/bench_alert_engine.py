"""How fast rules are backtested and evaluated, beside a bare read of the same rows.

    python -m tests.benchmarks.bench_alert_engine [--days N] [--users N] [--rules N] [--groups N]

Bars: 90 days of one rule grouped by 1,000 users under 10 s; 200 rules × 100 groups under 15 s.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from ingest.database.connect import connect
from ingest.database.migrate import migrate
from orchestration.alerts.definition.model import (
    Change,
    Drop,
    MartMetric,
    RollingWindow,
    Rule,
    Seasonal,
    Threshold,
)
from orchestration.alerts.engine.backtest.run import backtest
from orchestration.alerts.engine.tick import evaluate_alerts
from tests.benchmarks.bench_concurrent_windows import database

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BACKTEST_BAR, EVALUATE_BAR = 10.0, 15.0
TABLE = """
create table marts.bench_hourly (
    hour timestamptz, user_id text, n_calls bigint, n_error bigint, primary key (hour, user_id)
)
"""
FILL = """
insert into marts.bench_hourly
select hour, 'user-' || number, 20 + (random() * 60)::integer, (random() * random() * 6)::integer
    -- A tenth of the users are in trouble for the last days.
    + case when number %% 10 = 0 and hour > %(end)s::timestamptz - interval '2 days' then 5 else 0 end
from generate_series(%(start)s::timestamptz, %(end)s, interval '1 hour') as hours (hour)
cross join generate_series(1, %(users)s) as users (number)
"""
KEEP = "delete from marts.bench_hourly where split_part(user_id, '-', 2)::integer > %s"
GRANT = """
grant usage on schema marts to lqo_alerts;
grant select on marts.bench_hourly to lqo_alerts;
"""
SHARE = MartMetric(
    mart="bench_hourly", kind="share", unit="share", numerator="n_error", denominator="n_calls", at="hour"
)
COUNT = MartMetric(mart="bench_hourly", kind="count", unit="calls", numerator="n_calls", at="hour")
BASE = Rule(
    name="bench",
    summary="A rule of the benchmark",
    why="It is measured",
    metric=SHARE,
    window=RollingWindow(span="24h"),
    condition=Threshold(above=0.05, resolve=0.04),
    severity="warning",
    owner="bench",
    group_by=["user_id"],
    minimum_n=100,
)
CONDITIONS: list[dict[str, Any]] = [
    {},
    {"condition": Drop(baseline="7d", effect=0.02, direction="up")},
    {"metric": COUNT, "condition": Seasonal()},
    {"metric": COUNT, "condition": Change(against="1d", relative=0.5)},
]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--rules", type=int, default=200)
    parser.add_argument("--groups", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lqo-bench-") as scratch, database(Path(scratch)) as url:
        migrate(url)
        with connect(url, autocommit=True) as connection:
            fill(connection, days=given.days, users=given.users)
            slow = time_backtests(connection, days=given.days)
            connection.execute(KEEP, (given.groups,))
            connection.execute("vacuum full analyze marts.bench_hourly")
            slow += time_evaluation(connection, n_rules=given.rules)
    return slow


def fill(connection: psycopg.Connection, *, days: int, users: int) -> None:
    connection.execute(TABLE)
    start = NOW - timedelta(days=days + 30)
    seconds, _ = timed(lambda: connection.execute(FILL, {"start": start, "end": NOW, "users": users}))
    connection.execute("vacuum analyze marts.bench_hourly")
    connection.execute(GRANT)
    print(f"filled {users:,} users × {days + 30} days of hours in {seconds:.0f} s", flush=True)


def time_backtests(connection: psycopg.Connection, *, days: int) -> int:
    start = NOW - timedelta(days=days)
    bare, _ = timed(
        lambda: connection.execute(
            "select hour, user_id, n_calls, n_error from marts.bench_hourly where hour >= %s", (start,)
        ).fetchall()
    )
    print(f"bare read of {days} days: {bare:.2f} s")
    slow = 0
    for changes in CONDITIONS:
        rule = msgspec.structs.replace(BASE, **changes)
        seconds, found = timed(lambda rule=rule: backtest(connection, rule, start=start, end=NOW))
        slow += seconds > BACKTEST_BAR
        null = "-" if found.null is None else f"{found.null.per_week:.2f}"
        print(
            f"backtest {rule.condition.__struct_config__.tag:10} {seconds:5.1f} s, {seconds / bare:4.1f} bare"
            f" reads, {len(found.firings):,} alerts, {null} false ones a week",
            flush=True,
        )
    return slow


def time_evaluation(connection: psycopg.Connection, *, n_rules: int) -> int:
    rules = [
        msgspec.structs.replace(BASE, name=f"bench_{number}", **CONDITIONS[number % len(CONDITIONS)])
        for number in range(n_rules)
    ]
    read = "select user_id, sum(n_calls), sum(n_error) from marts.bench_hourly where hour >= %s group by 1"
    since = NOW - timedelta(days=1)
    bare, _ = timed(lambda: [connection.execute(read, (since,)).fetchall() for _ in rules])
    print(f"bare read of a day, {n_rules} times: {bare:.2f} s")
    slow = 0
    for name, moment in (("first", NOW), ("next", NOW + timedelta(minutes=1))):
        seconds, found = timed(lambda moment=moment: evaluate_alerts(connection, rules=rules, now=moment))
        slow += seconds > EVALUATE_BAR
        print(
            f"{name} evaluation of {n_rules} rules: {seconds:.1f} s, {seconds / bare:.1f} bare reads,"
            f" {len(found):,} transitions",
            flush=True,
        )
    return slow


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


if __name__ == "__main__":
    raise SystemExit(main())
