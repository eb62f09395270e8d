"""Importing canonical JSONL: every line lands once or is a counted reject, in any container."""

import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import zstandard
from psycopg.rows import TupleRow

from ingest.importers.files import import_files
from ingest.importers.summary import ImportFailedError
from ingest.uuid7 import uuid7
from tests.ingest.import_lines import Importer, line, lines

Connection = psycopg.Connection[TupleRow]


def rejects_of(path: Path | None) -> list[tuple[int, str]]:
    assert path is not None
    return [(entry["line"], entry["reason"]) for entry in map(json.loads, path.read_text().splitlines())]


@pytest.mark.parametrize(
    "pack",
    [
        bytes,
        gzip.compress,
        lzma.compress,
        zstandard.compress,
        lambda data: gzip.compress(data[:3000]) + gzip.compress(data[3000:]) + bytes(512),
        lambda data: zstandard.compress(data[:3000]) + zstandard.compress(data[3000:]),
        lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n\r\n").rstrip(),
    ],
    ids=["plain", "gzip", "xz", "zstd", "two gzip members", "two zstd frames", "BOM, CRLF, blank lines"],
)
def test_any_container_lands_the_same_calls(
    run_import: Importer,
    write_calls: Callable[[bytes], Path],
    connection: Connection,
    pack: Callable[[bytes], bytes],
) -> None:
    path = write_calls(pack(lines(50)))
    first = run_import(path)
    assert (first.landed, first.already_there, first.rejected, first.rejects_file) == (50, 0, 0, None)
    again = run_import(path)
    assert (again.landed, again.already_there, again.rejected) == (0, 50, 0)
    query = "select external_id from raw.llm_calls order by started_at"
    assert connection.execute(query).fetchall() == [(f"call-{n}",) for n in range(50)]


def test_identical_lines_without_an_id_are_one_call(
    run_import: Importer, write_calls: Callable[[bytes], Path]
) -> None:
    data = line(external_id=...) * 2 + line(external_id=..., user_id="another")
    summary = run_import(write_calls(data))
    assert (summary.landed, summary.already_there) == (2, 1)
    assert run_import(write_calls(data)).already_there == 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"started_at": "2026-11-19T12:00:00Z", "requ\n', "broken_json"),
        (b"not json at all\n", "broken_json"),
        (b'{"a": 1} {"b": 2}\n', "broken_json"),
        (b"[1, 2]\n", "bad_field"),
        (b'"text"\n', "bad_field"),
        (b'{"tags":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "too_deep"),
        (b'{"nobody_knows":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "too_deep"),
        (line(started_at=...), "missing_field"),
        (line(requested_model=...), "missing_field"),
        (line(started_at="2026-11-19T12:00:00"), "naive_time"),
        (line(ended_at="2026-11-19T12:00:00"), "naive_time"),
        (line(started_at="1970-01-01T00:00:00Z"), "out_of_range"),
        (line(started_at="1969-01-01T00:00:00Z"), "out_of_range"),
        (line(started_at="2099-01-01T00:00:00Z"), "out_of_range"),
        (line(started_at="yesterday"), "bad_field"),
        (line(started_at=1_700_000_000_000), "bad_field"),
        (line(latency_ms=-3), "negative_latency"),
        (line(latency_ms="fast"), "bad_field"),
        (line(status="fine"), "bad_field"),
        (line(external_id="x" * 3000), "absurd_value"),
        (line(output_text="longer than it may be" * 2_000_000), "line_too_long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_line_is_a_counted_reject_with_its_number(
    run_import: Importer,
    write_calls: Callable[[bytes], Path],
    connection: Connection,
    data: bytes,
    reason: str,
) -> None:
    path = write_calls(line(1) + data + line(2))
    summary = run_import(path)
    assert (summary.landed, summary.rejected) == (2, 1)
    assert rejects_of(summary.rejects_file) == [(2, reason)]
    assert run_import(path).rejected == 1
    query = "select reason, position, origin from raw.dead_letters"
    assert connection.execute(query).fetchall() == [(reason, "line 2", str(path))]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.compress])
def test_a_truncated_file_lands_what_is_readable_and_the_whole_one_finishes(
    run_import: Importer, write_calls: Callable[[bytes], Path], pack: Callable[[bytes], bytes]
) -> None:
    whole = pack(b"".join(line(n, input_text=str(uuid7())) for n in range(20_000)))
    with pytest.raises(ImportFailedError, match="ends too early") as failed:
        run_import(write_calls(whole[: len(whole) // 2]))
    landed = failed.value.summary.landed
    assert 0 < landed < 20_000
    assert failed.value.summary.rejected == 0
    summary = run_import(write_calls(whole))
    assert (summary.landed, summary.already_there) == (20_000 - landed, landed)


def test_the_other_files_land_when_one_cannot_be_read(
    run_import: Importer, write_calls: Callable[[bytes], Path], tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(b"\x1f\x8b" + b"nonsense" * 10)
    with pytest.raises(ImportFailedError, match="damaged") as failed:
        run_import(damaged, tmp_path / "absent.jsonl", write_calls(lines(3)))
    assert failed.value.summary.landed == 3
    assert "absent.jsonl" in str(failed.value)
    assert "\n" not in str(failed.value)


def test_the_same_id_with_another_content_or_time_is_rejected(
    run_import: Importer, write_calls: Callable[[bytes], Path]
) -> None:
    data = line(0) + line(0, output_text="other") + line(1, external_id="call-0") + line(0)
    summary = run_import(write_calls(data))
    assert (summary.landed, summary.already_there, summary.rejected) == (1, 1, 2)
    assert rejects_of(summary.rejects_file) == [(2, "conflicting_duplicate"), (3, "conflicting_duplicate")]


def test_rejects_survive_a_home_that_cannot_be_written(
    run_import: Importer, write_calls: Callable[[bytes], Path], connection: Connection
) -> None:
    run_import.settings.home.parent.mkdir(exist_ok=True)
    run_import.settings.home.write_text("a file where the folder should be")
    with pytest.raises(ImportFailedError, match="see raw") as failed:
        run_import(write_calls(line(0) + b"broken\n"))
    assert (failed.value.summary.landed, failed.value.summary.rejects_file) == (1, None)
    assert connection.execute("select count(*) from raw.dead_letters").fetchone() == (1,)


def test_an_unknown_format_is_bad_usage(run_import: Importer, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown format 'nosuch'"):
        import_files([tmp_path], settings=run_import.settings, url=run_import.url, format="nosuch")


def test_progress_ends_at_the_size_of_the_files(
    run_import: Importer, write_calls: Callable[[bytes], Path]
) -> None:
    path, told = write_calls(gzip.compress(lines(3000))), list[int]()
    import_files([path, path], settings=run_import.settings, url=run_import.url, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 2 * path.stat().st_size


def test_the_load_is_booked(
    run_import: Importer, write_calls: Callable[[bytes], Path], connection: Connection
) -> None:
    run_import(write_calls(line(0) + b"broken\n" + line(0) + line(1, latency_ms=-1)))
    query = "select kind, landed, already_there, rejected, finished_at is not null from raw.loads"
    assert connection.execute(query).fetchall() == [("import", 1, 1, 2, True)]
