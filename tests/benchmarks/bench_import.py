"""`lqo import` against a bare psycopg COPY of the same rows into the same tables.

    python tests/benchmarks/bench_import.py --rows 500000

Each round imports a file of 2 KB calls into a fresh database, then copies the rows that stand there into
two other fresh ones: with `copy.write_row` (the bar is half of that rate), and as a binary stream that was
rendered before (harder than any program that has its rows in memory). Prints each round, the median ratios
and the peak memory of the importing process (the bar is 400 MB), which is one of its own.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import uuid4

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.embedded import start_embedded
from ingest.database.migrate import migrate
from ingest.database.url import DatabaseUrl, parse_url
from ingest.importers.files import import_files
from ingest.settings import Settings
from ingest.uuid7 import derived_uuid7

TABLES = ("raw.llm_calls", "raw.llm_bodies")
BLOCK = 1 << 18


def main() -> None:
    options = _options()
    if options.child:
        _child(Path(options.child), parse_url(options.url), home=Path(options.home))
        return
    with (
        tempfile.TemporaryDirectory(prefix="lqo-bench-") as folder,
        server(Path(folder), url=options.url) as running,
    ):
        _run(Path(folder), running, rows=options.rows, rounds=options.rounds, foreign=options.foreign_ids)


def _run(folder: Path, at: DatabaseUrl, *, rows: int, rounds: int, foreign: bool) -> None:
    path = folder / "calls.jsonl"
    write_calls(path, rows=rows, foreign=foreign)
    print(f"{rows:,} calls of {path.stat().st_size / rows:,.0f} bytes a line")
    by_row, by_stream, peaks = list[float](), list[float](), list[float]()
    for number in range(rounds):
        with database(at) as imported:
            seconds, peak = import_in_child(path, imported, folder=folder)
            with database(at) as copied:
                row_seconds = _copy_rows(imported, copied)
            with database(at) as copied:
                stream_seconds = _copy_streams(copied, _dump(imported, folder=folder, rows=rows))
        by_row.append(row_seconds / seconds)
        by_stream.append(stream_seconds / seconds)
        peaks.append(peak)
        print(
            f"round {number + 1}: import {rows / seconds:,.0f} calls/s;"
            f" COPY by rows {rows / row_seconds:,.0f} (ratio {by_row[-1]:.2f}),"
            f" as a stream {rows / stream_seconds:,.0f} (ratio {by_stream[-1]:.2f}); peak {peak:.0f} MB"
        )
    print(
        f"median ratio {statistics.median(by_row):.2f} to COPY by rows (bar 0.5),"
        f" {statistics.median(by_stream):.2f} to a stream rendered before; peak {max(peaks):.0f} MB (bar 400)"
    )


def import_in_child(path: Path, url: DatabaseUrl, *, folder: Path) -> tuple[float, float]:
    """Seconds that `import_files` took and the peak of the process it ran in, in MB."""
    command = [sys.executable, __file__, "--child", str(path), "--url", url.libpq(), "--home", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout)
    return result["seconds"], result["peak_mb"]


def _child(path: Path, url: DatabaseUrl, *, home: Path) -> None:
    summary = import_files([path], settings=Settings(home=home), url=url)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": summary.seconds, "peak_mb": peak, "landed": summary.landed}))


def _dump(url: DatabaseUrl, *, folder: Path, rows: int) -> list[Path]:
    """The imported rows as binary COPY streams, one file a table."""
    paths = [folder / table for table in TABLES]
    with connect(url) as connection:
        for table, path in zip(TABLES, paths, strict=True):
            query = sql.SQL("copy (select * from {} order by started_at, call_id) to stdout (format binary)")
            statement = query.format(_relation(table))
            with connection.cursor().copy(statement) as copy, path.open("wb") as file:
                for block in copy:
                    file.write(block)
            counting = sql.SQL("select count(*) from {}").format(_relation(table))
            assert connection.execute(counting).fetchone() == (rows,)
    return paths


def _copy_rows(source: DatabaseUrl, target: DatabaseUrl) -> float:
    """Seconds of `copy.write_row` for the same rows; reading them from `source` is not counted."""
    with connect(target, autocommit=True) as connection:
        _make_months(connection)
        clock = _Clock()
        with connection.transaction():
            for table in TABLES:
                columns, rows = _rows(source, table)
                names = sql.SQL(", ").join(map(sql.Identifier, columns))
                statement = sql.SQL("copy {} ({}) from stdin").format(_relation(table), names)
                clock.start()
                with connection.cursor().copy(statement) as copy:
                    clock.stop()
                    for chunk in rows:
                        clock.start()
                        for row in chunk:
                            copy.write_row(row)
                        clock.stop()
                    clock.start()
                clock.stop()
            clock.start()
        clock.stop()
        return clock.seconds


def _rows(source: DatabaseUrl, table: str) -> tuple[list[str], Iterator[list[tuple[object, ...]]]]:
    """A table's columns and its rows, some thousand at a time; documents as text, as COPY takes them."""
    schema, name = table.split(".")
    with connect(source) as connection:
        found = connection.execute(
            "select column_name, data_type from information_schema.columns"
            " where table_schema = %s and table_name = %s order by ordinal_position",
            (schema, name),
        ).fetchall()
    terms = [
        sql.SQL("{}::text" if kind == "jsonb" else "{}").format(sql.Identifier(column))
        for column, kind in found
    ]
    query = sql.SQL("select {} from {} order by started_at, call_id").format(
        sql.SQL(", ").join(terms), _relation(table)
    )

    def chunks() -> Iterator[list[tuple[object, ...]]]:
        with connect(source) as connection, connection.cursor("rows") as cursor:
            cursor.execute(query)
            while chunk := cursor.fetchmany(10_000):
                yield chunk

    return [column for column, _ in found], chunks()


def _copy_streams(target: DatabaseUrl, dumps: list[Path]) -> float:
    """Seconds of sending binary COPY streams that were rendered before: Postgres alone works."""
    with connect(target, autocommit=True) as connection:
        _make_months(connection)
        began = time.perf_counter()
        with connection.transaction():
            for table, dump in zip(TABLES, dumps, strict=True):
                statement = sql.SQL("copy {} from stdin (format binary)").format(_relation(table))
                with connection.cursor().copy(statement) as copy, dump.open("rb") as file:
                    while block := file.read(BLOCK):
                        copy.write(block)
        return time.perf_counter() - began


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = 0.0

    def start(self) -> None:
        self._began = time.perf_counter()

    def stop(self) -> None:
        self.seconds += time.perf_counter() - self._began


def _make_months(connection: Connection[TupleRow]) -> None:
    connection.execute(
        "select ingest.ensure_month(month::date) from unnest(array['2026-09-01', '2026-10-01']) as month"
    )


def _relation(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))


def write_calls(path: Path, *, rows: int, foreign: bool) -> None:
    """Calls of about 2 KB with request and response as a provider has them; the texts differ in each."""
    rng = Random(7)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(4000)]
    first = datetime(2026, 9, 1, tzinfo=UTC)
    with path.open("w") as file:
        for number in range(rows):
            at = first + timedelta(seconds=number * 10 * 86_400 // rows, milliseconds=number % 1000)
            question, answer = " ".join(rng.choices(words, k=125)), " ".join(rng.choices(words, k=75))
            call = _call(number, at, question=question, answer=answer)
            if foreign:
                call["external_id"] = f"chatcmpl-{rng.getrandbits(96):024x}"
            else:
                call["call_id"] = str(derived_uuid7(at, key=b"%d" % number))
            file.write(json.dumps(call, separators=(",", ":")) + "\n")


def _call(number: int, at: datetime, *, question: str, answer: str) -> dict[str, object]:
    usage = {"prompt_tokens": 170, "completion_tokens": 95, "total_tokens": 265}
    message = {"role": "assistant", "content": answer}
    asked = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": question},
    ]
    return {
        "started_at": at.isoformat(),
        "ended_at": (at + timedelta(milliseconds=1200 + number % 900)).isoformat(),
        "endpoint": "/v1/chat/completions",
        "provider": "openai",
        "project": f"project-{number % 7}",
        "user_id": f"user-{number % 5000}",
        "http_status": 200,
        "request": {"model": "gpt-4o-mini", "messages": asked},
        "response": {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": usage,
        },
    }


@contextmanager
def server(folder: Path, *, url: str | None) -> Iterator[DatabaseUrl]:
    """A server as `lqo` runs it, with fsync; or the one at `url`, by a login that may create databases."""
    if url is not None:
        yield parse_url(url)
        return
    server = start_embedded(folder / "postgres")
    try:
        yield server.superuser_url
    finally:
        server.stop()


@contextmanager
def database(server: DatabaseUrl) -> Iterator[DatabaseUrl]:
    name = f"lqo_bench_{uuid4().hex}"
    with connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        migrate(server.with_database(name))
        connection.execute("checkpoint")
        yield server.with_database(name)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--foreign-ids", action="store_true", help="ids of the provider's own, not v7")
    parser.add_argument("--url", help="a server to use instead of an embedded one of its own")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--home", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
