"""The loader: how fast it brings a spool to `raw`, and what it does to the commits of a proxy meanwhile.

    python tests/benchmarks/bench_loader.py --calls 120000                  # a spool whose proxy is gone
    python tests/benchmarks/bench_loader.py --calls 120000 --rate 1000      # with a proxy writing on

Calls have bodies of 2 KB. The first form prints calls a second, CPU by process and bytes a million calls.
The second fills the spool as an outage of `calls / rate` seconds does, then loads while another process
goes on at that rate: seconds until the loader has caught up (the bar for two minutes at 1000 calls a second
is four minutes), and the writer's commit times (the bar is 5 ms at the 99.9th percentile).
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

from ingest.database.connect import connect
from ingest.database.embedded import start_embedded
from ingest.database.migrate import migrate
from ingest.database.url import DatabaseUrl
from ingest.loader import run_loader
from ingest.settings import Settings
from ingest.spool.reader import list_segments, read_records
from ingest.spool.records import End, Record
from ingest.spool.writer import Spool
from tests.benchmarks.spooled_calls import spooled_calls

SIZES = """
select parent, sum(pg_total_relation_size(relid))
from unnest(array['raw.llm_calls', 'raw.llm_bodies']) as parent
cross join lateral pg_partition_tree(parent::regclass) where isleaf group by parent order by parent desc
"""


def main() -> None:
    options = _options()
    if options.child:
        asyncio.run(_write_on(Path(options.child), rate=options.rate, strict=options.strict))
        return
    with tempfile.TemporaryDirectory(prefix="lqo-bench-", dir=options.folder) as folder:
        settings = Settings(home=Path(folder))
        server = start_embedded(settings.postgres)
        try:
            migrate(server.url)
            asyncio.run(_fill(settings, calls=options.calls, running=options.running))
            if options.rate:
                _beside_a_writer(settings, server.url, options=options)
            else:
                _at_rest(settings, server.url, calls=options.calls)
        finally:
            server.stop()


def _at_rest(settings: Settings, url: DatabaseUrl, *, calls: int) -> None:
    began, used = time.perf_counter(), _cpu()
    result = run_loader(settings, url, once=True)
    seconds, cpu = time.perf_counter() - began, _cpu() - used
    assert result.landed == calls, result
    print(f"{calls:,} calls in {seconds:.1f} s: {calls / seconds:,.0f} calls/s")
    print(f"CPU of the loader {1e6 * cpu / calls:.0f} us a call; peak {_peak_mb():.0f} MB")
    with connect(url) as connection:
        sizes = connection.execute(SIZES).fetchall()
    total = sum(int(size) for _, size in sizes)
    parts = ", ".join(f"{table} {int(size) / calls / 1000:.2f}" for table, size in sizes)
    print(f"GB a million calls: {total / calls / 1000:.2f} ({parts})")


def _beside_a_writer(settings: Settings, url: DatabaseUrl, *, options: argparse.Namespace) -> None:
    command = [sys.executable, __file__, "--child", str(settings.spool), "--rate", str(options.rate)]
    writer = subprocess.Popen(
        [*command, *(["--strict"] if options.strict else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdout.readline()
    stop = threading.Event()
    began = time.perf_counter()
    loading = threading.Thread(target=run_loader, args=(settings, url), kwargs={"stop": stop})
    loading.start()
    with connect(url, autocommit=True) as connection:
        query = "select count(*) from ingest.segments where finished_at is not null"
        backlog = len([each for each in list_segments(settings.spool) if each.is_sealed])
        while (connection.execute(query).fetchone() or (0,))[0] < backlog:
            time.sleep(0.1)
    print(f"caught up with {options.calls:,} calls in {time.perf_counter() - began:.1f} s")
    said, _ = writer.communicate("stop\n", timeout=60)
    stop.set()
    loading.join(60)
    print(f"meanwhile {said.strip()}")
    run_loader(settings, url, once=True)
    spooled = sum(
        entry.record is not None for each in list_segments(settings.spool) for entry in _entries(each)
    )
    with connect(url) as connection:
        landed = connection.execute("select count(*) from raw.llm_calls").fetchone()
    print(f"spooled {spooled // 2:,} calls, landed {landed}")


def _entries(segment):  # noqa: ANN001, ANN202
    return read_records(segment, limit=10**9, max_bytes=1 << 40).entries


async def _fill(settings: Settings, *, calls: int, running: int) -> None:
    """Spool `calls` calls, of which `running` are open at any time."""
    spool, made = Spool(settings.spool), spooled_calls()
    ends = deque[End]()
    for _ in range(0, calls, 20):
        started = [next(made) for _ in range(20)]
        ends.extend(end for _, end in started)
        records: list[Record] = [start for start, _ in started]
        records += [ends.popleft() for _ in range(len(ends) - running)]
        await asyncio.gather(*(spool.append(record) for record in records))
    await asyncio.gather(*(spool.append(end) for end in ends))
    spool.close()


async def _write_on(directory: Path, *, rate: int, strict: bool) -> None:
    """Append calls on schedule until told to stop; then say how long each commit took."""
    spool = Spool(directory, durability="strict" if strict else "process", rotate_seconds=10)
    print("ready", flush=True)
    stopping = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    made, waits, lates = spooled_calls(seed=os.getpid()), list[float](), list[float]()
    began, sent = time.perf_counter(), 0
    running: set[asyncio.Task[None]] = set()

    async def one() -> None:
        for record in next(made):
            at = time.perf_counter()
            await spool.append(record)
            waits.append(time.perf_counter() - at)

    while not stopping.done():
        due = began + sent / rate
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        lates.append(max(0.0, time.perf_counter() - due))
        task = asyncio.ensure_future(one())
        running.add(task)
        task.add_done_callback(running.discard)
        sent += 1
    await asyncio.gather(*running)
    counters = spool.counters
    spool.close()
    waits.sort()
    lates.sort()
    print(
        f"{sent:,} calls written; an append took ms: p50 {_ms(waits, 0.5)}, p99 {_ms(waits, 0.99)},"
        f" p99.9 {_ms(waits, 0.999)}, max {_ms(waits, 1)}; slowest commit"
        f" {counters.slowest_commit_seconds * 1000:.1f}; loop late p99.9 {_ms(lates, 0.999)}"
    )


def _ms(ordered: list[float], share: float) -> str:
    return f"{1000 * ordered[min(int(len(ordered) * share), len(ordered) - 1)]:.2f}"


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=120_000)
    parser.add_argument("--running", type=int, default=3000, help="calls that are open at any time")
    parser.add_argument("--rate", type=int, default=0, help="calls a second of a proxy that writes on")
    parser.add_argument("--strict", action="store_true", help="the proxy that writes on syncs its commits")
    parser.add_argument("--folder", help="where the spool and the server stand (default: the system's)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
