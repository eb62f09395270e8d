"""`lqo import` of a Langfuse export against the canonical import of the same calls.

    python tests/benchmarks/bench_importers.py --rows 200000

Writes the calls of bench_import.py (2 KB, texts that differ in each) as canonical JSONL and as Langfuse's
enriched observations in JSONL and Parquet, with every column of the export. Each round imports each file into
a fresh database, in a process of its own, the canonical one first and last. Prints calls a second, the ratio
to the mean of the two canonical imports of the same round (the bar is 0.7), and the peak memory.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ingest.database.url import DatabaseUrl
from tests.benchmarks import bench_import

NAMES = ("canonical", "jsonl", "parquet")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--url", help="a server's URL; by default one is started")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="lqo-bench-") as folder,
        bench_import.server(Path(folder), url=options.url) as server,
    ):
        _run(Path(folder), server, rows=options.rows, rounds=options.rounds)


def _run(folder: Path, server: DatabaseUrl, *, rows: int, rounds: int) -> None:
    paths = {name: folder / f"calls.{name}" for name in NAMES}
    bench_import.write_calls(paths["canonical"], rows=rows, foreign=True)
    _write_jsonl(paths["jsonl"], rows=rows)
    # In a process of its own: a child's peak memory begins at its parent's.
    writer = get_context("spawn").Process(target=_write_parquet, args=(paths["jsonl"], paths["parquet"]))
    writer.start()
    writer.join()
    sizes = ", ".join(f"{name} {path.stat().st_size / rows:,.0f} bytes" for name, path in paths.items())
    print(f"{rows:,} calls; a row is {sizes}")
    ratios: dict[str, list[float]] = {name: [] for name in NAMES[1:]}
    for number in range(rounds):
        seconds: dict[str, list[float]] = {name: [] for name in NAMES}
        peaks: dict[str, float] = {}
        for name in (*NAMES, "canonical"):
            with bench_import.database(server) as url:
                took, peaks[name] = bench_import.import_in_child(paths[name], url, folder=folder)
            seconds[name].append(took)
        base = statistics.mean(seconds["canonical"])
        for name in NAMES[1:]:
            ratios[name].append(base / seconds[name][0])
        print(
            f"round {number + 1}: "
            + "; ".join(
                f"{name} {rows / statistics.mean(seconds[name]):,.0f} calls/s, peak {peaks[name]:.0f} MB"
                for name in NAMES
            )
        )
    for name, found in ratios.items():
        print(f"langfuse {name}: ratio {statistics.median(found):.2f} to the canonical import (bar 0.7)")


def _write_jsonl(path: Path, *, rows: int) -> None:
    with path.open("w") as file:
        for row in _observations(rows):
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def _write_parquet(source: Path, target: Path) -> None:
    """As ClickHouse writes it: maps as maps, times as times, no prices."""
    import pyarrow as pa
    import pyarrow.json
    import pyarrow.parquet

    maps = {"metadata": pa.string(), "usage_details": pa.uint64(), "cost_details": pa.float64()}
    times = ("start_time", "end_time", "created_at", "updated_at")
    table = pyarrow.json.read_json(source)
    for name, kind in maps.items():
        rows = [[*row.items()] for row in table[name].to_pylist()]
        table = table.set_column(
            table.schema.get_field_index(name), name, pa.array(rows, pa.map_(pa.string(), kind))
        )
    for name in times:
        at = pa.array(
            [datetime.fromisoformat(str(each)) for each in table[name].to_pylist()], pa.timestamp("us")
        )
        table = table.set_column(table.schema.get_field_index(name), name, at)
    table = table.drop_columns(["input_price", "output_price", "total_price", "tool_definitions"])
    pyarrow.parquet.write_table(table, target, row_group_size=65_536, compression="zstd")


def _observations(rows: int) -> Iterator[dict[str, Any]]:
    """The calls of bench_import.py as observations; a row has every column of the enriched export."""
    rng = Random(7)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(4000)]
    first = datetime(2026, 9, 1, tzinfo=UTC)
    for number in range(rows):
        at = first + timedelta(seconds=number * 10 * 86_400 // rows, milliseconds=number % 1000)
        question, answer = " ".join(rng.choices(words, k=125)), " ".join(rng.choices(words, k=75))
        asked = [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": question},
        ]
        yield _observation(number, at, end=at + timedelta(milliseconds=1200 + number % 900)) | {
            "id": f"{rng.getrandbits(64):016x}",
            "trace_id": f"{rng.getrandbits(128):032x}",
            "input": json.dumps(asked),
            "output": json.dumps({"role": "assistant", "content": answer}),
        }


def _observation(number: int, at: datetime, *, end: datetime) -> dict[str, Any]:
    start, over = f"{at:%Y-%m-%d %H:%M:%S.%f}", f"{end:%Y-%m-%d %H:%M:%S.%f}"
    return {
        "id": "",
        "trace_id": "",
        "project_id": f"project-{number % 7}",
        "environment": "production",
        "type": "GENERATION",
        "parent_observation_id": "",
        "start_time": start,
        "end_time": over,
        "name": "answer",
        "metadata": {"feature": "faq", "region": "eu"},
        "level": "DEFAULT",
        "status_message": "",
        "version": "",
        "input": "",
        "output": "",
        "provided_model_name": "gpt-4o-mini",
        "model_parameters": '{"temperature":0.7}',
        "usage_details": {"input": 170, "output": 95, "total": 265},
        "cost_details": {"input": 0.0000255, "output": 0.000057, "total": 0.0000825},
        "completion_start_time": None,
        "prompt_name": "",
        "prompt_version": None,
        "total_cost": 0.0000825,
        "latency": (end - at).total_seconds(),
        "time_to_first_token": None,
        "model_id": "cm-model",
        "created_at": start,
        "updated_at": over,
        "prompt_id": "",
        "tool_calls": [],
        "tool_call_names": [],
        "tool_definitions": {},
        "usage_pricing_tier_id": None,
        "usage_pricing_tier_name": None,
        "input_price": "0.00000015",
        "output_price": "0.0000006",
        "total_price": None,
        "user_id": f"user-{number % 5000}",
        "session_id": "",
        "trace_name": "chat",
        "tags": [],
        "release": "",
        "bookmarked": False,
        "public": False,
    }


if __name__ == "__main__":
    main()
