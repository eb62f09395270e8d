"""A monthly close with a long history behind it: by what changed, and by all that was ever stated.

    LQO_BENCH_DATABASE_URL=postgresql://… python -m tests.benchmarks.bench_chargeback [--months 36]

Makes a database of its own on that server (the embedded one without the variable) and drops it. Every hour of
every month has so many rows of `cost_hourly`, of 40 projects, each with a charge. All months are closed, one
after another; then five more: one is compared with all months before, as before there were marks, and four
with those that changed: none, one, three, twelve.
"""

import argparse
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from orchestration.cost.chargeback import close_month
from tests.benchmarks.bench_concurrent_windows import database
from tests.dbt_project.running_dbt import running_dbt

FIRST = date(2023, 1, 1)
NOW = datetime(2027, 1, 1, tzinfo=UTC)

CHARGES: LiteralString = """
insert into cost.charges (started_at, call_id, attempt, provider, model, amount_usd)
select hour + number * interval '1 second', gen_random_uuid(), 0, 'openai', 'house-' || number %% 5,
    0.000000000001 * (1000 + number)
from generate_series(
    %(month)s::timestamp, %(month)s::timestamp + interval '1 month - 1 hour', '1 hour'
) as hours (hour)
cross join generate_series(1, %(an_hour)s) as rows (number)
"""
HOURS: LiteralString = """
insert into marts.cost_hourly (
    hour, provider, model, project, environment, key_id, prompt_name, prompt_version, purpose, line,
    service_tier, n_attempts, n_calls, n_priced, n_unpriced, n_without_usage, amount_usd
)
select
    hour, 'openai', 'house-' || number %% 5, 'project-' || number %% 40, 'prod', 'key-' || number, '(none)',
    '(none)', 'product', 'answer', 'standard', 1, 1, 1, 0, 0, 0.000000000001 * (1000 + number)
from generate_series(
    %(month)s::timestamp, %(month)s::timestamp + interval '1 month - 1 hour', '1 hour'
) as hours (hour)
cross join generate_series(1, %(an_hour)s) as rows (number)
"""
DAYS: LiteralString = """
insert into evaluation.day_closes (day, n_calls)
select day, 1
from generate_series(%(month)s::date, %(month)s::date + interval '1 month - 1 day', '1 day') as days (day)
"""
# A correction that cancels out: the close has to find that there is nothing to state.
CORRECT: LiteralString = """
update marts.cost_hourly set amount_usd = amount_usd + case when key_id = 'key-1' then 0.1 else -0.1 end
where hour = %(month)s::timestamp and key_id in ('key-1', 'key-2')
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--an-hour", type=int, default=50, help="rows of cost_hourly an hour")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lqo-bench-") as scratch, database(Path(scratch)) as url:
        with running_dbt(Path(scratch) / "dbt") as dbt:
            dbt.build(url, windows=[], selector="deploy")
        with connect(url) as connection:
            bench(connection, n_months=options.months, an_hour=options.an_hour)


def bench(connection: Connection[TupleRow], *, n_months: int, an_hour: int) -> None:
    months = [date(FIRST.year + n // 12, 1 + n % 12, 1) for n in range(n_months + 5)]
    began = time.perf_counter()
    for month in months:
        fill(connection, month, an_hour=an_hour)
    connection.execute("analyze cost.charges, marts.cost_hourly")
    connection.commit()
    print(
        f"{len(months)} months, {n_rows(connection):,} rows of cost_hourly: {seconds_since(began)} s to make"
    )
    began = time.perf_counter()
    for month in months[:n_months]:
        close_month(connection, month, closed_by="bench", begins=True, now=NOW)
    print(f"{n_months} closes in turn, nothing changed meanwhile: {seconds_since(began)} s", flush=True)
    for month, n_changed in zip(months[n_months:], (None, 0, 1, 3, 12), strict=True):
        for changed in months[: n_changed or 0]:
            connection.execute(CORRECT, {"month": changed})
        connection.commit()
        began = time.perf_counter()
        done = close_month(connection, month, closed_by="bench", compare_all=n_changed is None, now=NOW)
        print(
            f"close of {month:%Y-%m}, {len(done.compared)} months compared: {seconds_since(began)} s",
            flush=True,
        )


def fill(connection: Connection[TupleRow], month: date, *, an_hour: int) -> None:
    connection.execute("select ingest.ensure_month(%s)", [month])
    for statement in (CHARGES, HOURS, DAYS):
        connection.execute(statement, {"month": month, "an_hour": an_hour})
    connection.commit()


def n_rows(connection: Connection[TupleRow]) -> int:
    row = connection.execute("select count(*) from marts.cost_hourly").fetchone()
    connection.commit()
    return 0 if row is None else row[0]


def seconds_since(began: float) -> str:
    return f"{time.perf_counter() - began:.2f}"


if __name__ == "__main__":
    main()
