"""How long readers wait: every page of the analytics API and every panel of Grafana, on marts of 90 days.

    [LQO_BENCH_DATABASE_URL=postgresql://…] python -m tests.benchmarks.bench_analytics [--days N] [--calls N]

Default: 90 days of 100,000 calls. Filling takes some five minutes on two cores and 10 GB. Each page is asked
for over HTTP from the running API, each panel over one connection; first three times for warmth, then
`--repeats` times. Beside the milliseconds stands the ratio to a bare `select 1` of the same run. Bar:
p95 under 300 ms.
"""

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import uvicorn
from psycopg import sql

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from reports.api.app import build_app
from reports.api.doors import build_gate
from tests.benchmarks.bench_concurrent_windows import database
from tests.benchmarks.filled_marts import fill_marts
from tests.dbt_project.running_dbt import running_dbt
from tests.orchestration.seeding import add_calls

BAR_MS = 300.0
WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of each repeat."""

    name: str
    milliseconds: list[float]

    @property
    def p50(self) -> float:
        return statistics.median(self.milliseconds)

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.milliseconds, n=20, method="inclusive")[-1]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=20)
    given = parser.parse_args()
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=given.days - 1)
    with tempfile.TemporaryDirectory(prefix="lqo-bench-") as scratch, database(Path(scratch)) as url:
        started = time.perf_counter()
        with running_dbt(Path(scratch) / "dbt") as dbt:
            fill_marts(url, dbt, first=first, n_days=given.days, n_calls=given.calls)
        print(f"filled in {time.perf_counter() - started:.0f} s", flush=True)
        report_bytes(url, n_calls=given.days * given.calls)
        with connect(url, autocommit=True) as connection:
            bare = timed("select 1", lambda: connection.execute("select 1").fetchall(), given.repeats * 5)
        print(f"bare round trip: p50 {bare.p50:.2f} ms, p95 {bare.p95:.2f} ms")
        slow = 0
        for timing in [
            *time_pages(url, Path(scratch), first=first, last=last, repeats=given.repeats),
            *time_panels(url, first=first, last=last, repeats=given.repeats),
        ]:
            is_slow = timing.p95 > BAR_MS
            slow += is_slow
            print(
                f"{timing.name}: p50 {timing.p50:.1f} ms, p95 {timing.p95:.1f} ms, "
                f"{timing.p95 / bare.p95:.0f} round trips{'  ABOVE THE BAR' if is_slow else ''}",
                flush=True,
            )
    print(f"{slow} above {BAR_MS:.0f} ms")
    return 1 if slow else 0


def timed(name: str, work: Callable[[], Any], repeats: int) -> Timing:
    """The same work, warm."""
    milliseconds: list[float] = []
    for number in range(WARM_UP + repeats):
        started = time.perf_counter()
        work()
        if number >= WARM_UP:
            milliseconds.append(1000 * (time.perf_counter() - started))
    return Timing(name, milliseconds)


def report_bytes(url: DatabaseUrl, *, n_calls: int) -> None:
    """What the marts take on disk, indexes included, for each million calls."""
    query = """
        select relname, pg_total_relation_size(oid)
        from pg_class
        where relnamespace = 'marts'::regnamespace and relkind = 'r'
        order by 2 desc
    """
    with connect(url, autocommit=True) as connection:
        sizes = connection.execute(query).fetchall()
    per_million = {name: size / n_calls for name, size in sizes}
    for name, megabytes in per_million.items():
        if megabytes >= 0.5:
            print(f"{name}: {megabytes:.1f} MB a million calls")
    print(
        f"all marts: {sum(per_million.values()):.0f} MB a million calls, "
        f"{sum(per_million.values()) - per_million['calls']:.0f} without the calls themselves"
    )


def pages(*, first: date, last: date, call_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Every path, over all days; filters where they change the plan."""
    span = {"start": str(first), "end": str(last)}
    hours = {"start": str(max(first, last - timedelta(days=30))), "end": str(last)}
    fortnight = {"start": str(max(first, last - timedelta(days=13))), "end": str(last)}
    two_days = {"start": str(last - timedelta(days=1)), "end": str(last)}
    most = {"limit": 1000}
    return [
        ("/analytics/trends", span),
        ("/analytics/trends", {**span, **most}),
        ("/analytics/trends", {**span, **most, "grain": "week"}),
        ("/analytics/trends", {**span, **most, "by": ["model", "project"], "offset": 5000}),
        ("/analytics/trends", {**hours, **most, "grain": "hour"}),
        ("/analytics/trends", {"start": "2016-01-01", "end": str(last), **most, "grain": "month"}),
        ("/analytics/compare-models", span),
        ("/analytics/compare-models", {**fortnight, **most, "grain": "day"}),
        ("/analytics/compare-models", {**span, "project": "project-1"}),
        ("/analytics/compare-pairs", span),
        ("/analytics/costs", {**span, **most}),
        ("/analytics/costs", {**span, "grain": "month", "by": ["project", "key_id"], "sort": "-amount_usd"}),
        ("/analytics/users", span),
        ("/analytics/users", {**span, **most, "sort": "-fail_rate"}),
        ("/analytics/users", {**span, "user": "user-7", "grain": "day"}),
        ("/analytics/users", {**span, "evaluator": "helpfulness", "sort": "mean_score"}),
        ("/analytics/prompts", {**span, **most}),
        ("/analytics/prompts", {**span, "grain": "week", "by": "model"}),
        ("/alerts/history", {**span, **most}),
        ("/alerts/silences", {"which": "all"}),
        ("/calls", {**span, **most}),
        ("/calls", {**span, "offset": 100_000}),
        ("/calls", {**span, "user": "user-1900", **most}),
        ("/calls", {**two_days, "failed_rule": "refusal", "model": "model-3", **most}),
        ("/calls", {**span, "user": "nobody"}),
        (f"/calls/{call_id}", {"bodies": True}),
    ]


def time_pages(url: DatabaseUrl, home: Path, *, first: date, last: date, repeats: int) -> Iterator[Timing]:
    with connect(url) as connection:
        add_calls(connection, 1_000, start=datetime.combine(last, datetime.min.time(), UTC), seed="receipts")
        row = connection.execute("select call_id from raw.llm_calls limit 1").fetchone()
    assert row is not None
    with serving(url, home) as address, httpx.Client(base_url=address, timeout=60) as client:
        for path, params in pages(first=first, last=last, call_id=str(row[0])):

            def ask(path: str = path, params: dict[str, Any] = params) -> None:
                client.get(path, params=params).raise_for_status()

            said = " ".join(
                f"{name}={value}" for name, value in params.items() if name not in ("start", "end")
            )
            yield timed(f"{path.replace(str(row[0]), '{id}')} {said}".strip(), ask, repeats)


@contextmanager
def serving(url: DatabaseUrl, home: Path) -> Iterator[str]:
    """The API on a free port, in a thread of its own."""
    gate = build_gate(Settings(home=home / "home"), host="127.0.0.1")
    app = build_app(marts=url.psycopg(), receipts=url.psycopg(), gate=gate)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", loop="asyncio"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def time_panels(url: DatabaseUrl, *, first: date, last: date, repeats: int) -> Iterator[Timing]:
    """The SQL of each panel with its variables at their defaults."""
    from reports.grafana.queries import interpolate, panel_queries

    since = datetime.combine(first, datetime.min.time(), UTC)
    until = datetime.combine(last, datetime.min.time(), UTC) + timedelta(days=1)
    with connect(url, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = on")
        for query in panel_queries():
            if not query.is_sql:
                continue
            filled = interpolate(query.text, since=since, until=until, variables=query.defaults)

            def run(text: str = filled) -> None:
                connection.execute(sql.SQL(text)).fetchall()  # pyright: ignore[reportArgumentType]

            try:
                yield timed(f"panel {query.dashboard} / {query.panel}", run, repeats)
            except psycopg.Error as error:
                print(f"panel {query.dashboard} / {query.panel}: {' '.join(str(error).split())}")


if __name__ == "__main__":
    raise SystemExit(main())
