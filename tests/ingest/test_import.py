"""Importing canonical JSONL: every line lands once or is a counted reject, in any container."""

import gzip
import json
import lzma
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import zstandard
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from ingest.importers.files import import_files
from ingest.importers.summary import ImportFailedError
from ingest.landing.content import decompress
from ingest.landing.text import restore
from ingest.uuid7 import uuid7
from tests.ingest.import_lines import NOON, Importer, line, lines, record

Connection = psycopg.Connection[TupleRow]


@pytest.fixture
def run(tmp_path: Path, warehouse: DatabaseUrl) -> Importer:
    return Importer(tmp_path / "home", warehouse)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def write_file(data: bytes) -> Path:
        path = tmp_path / "calls.jsonl"
        path.write_bytes(data)
        return path

    return write_file


def rejects_of(path: Path | None) -> list[tuple[int, str]]:
    assert path is not None
    return [(entry["line"], entry["reason"]) for entry in map(json.loads, path.read_text().splitlines())]


def one(connection: Connection, columns: str) -> dict[str, Any]:
    query = f"select {columns} from raw.llm_calls inner join raw.llm_bodies using (started_at, call_id)"
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        row = cursor.execute(query).fetchone()  # pyright: ignore[reportArgumentType]
    assert row is not None
    return row


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
    run: Importer,
    write: Callable[[bytes], Path],
    connection: Connection,
    pack: Callable[[bytes], bytes],
) -> None:
    path = write(pack(lines(50)))
    first = run(path)
    assert (first.landed, first.already_there, first.rejected, first.rejects_file) == (50, 0, 0, None)
    again = run(path)
    assert (again.landed, again.already_there, again.rejected) == (0, 50, 0)
    query = "select external_id from raw.llm_calls order by started_at"
    assert connection.execute(query).fetchall() == [(f"call-{n}",) for n in range(50)]


def test_a_full_record_lands_as_it_stands(
    run: Importer, write: Callable[[bytes], Path], connection: Connection
) -> None:
    full = json.loads(example_of_the_docs())
    assert run(write(json.dumps(full).encode())).landed == 1
    row = one(connection, "*")
    for name in full.keys() - {"started_at", "ended_at", "request", "response", "attempts", "team"}:
        if name != "tags":
            assert row[name] == full[name] or str(row[name]) == full[name], name
    assert row["tags"] == {**full["tags"], "team": full["team"]}
    assert json.loads(decompress(row["request"])) == full["request"]
    assert json.loads(decompress(row["response"])) == full["response"]
    assert row["attempts"][0]["provider"] == full["attempts"][0]["provider"]


def example_of_the_docs() -> str:
    text = (Path(__file__).parents[2] / "docs" / "call-record.md").read_text()
    return text.partition("```json\n")[2].partition("```")[0]


def test_what_a_record_leaves_out_is_read_from_its_bodies(
    run: Importer, write: Callable[[bytes], Path], connection: Connection
) -> None:
    bodies = {
        "request": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "왜?"}]},
        "response": {
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"message": {"role": "assistant", "content": "그래서."}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        },
    }
    data = line(requested_model=..., input_text=..., output_text=..., provider=..., endpoint=..., **bodies)
    assert run(write(data)).landed == 1
    row = one(connection, "*")
    names = [
        "requested_model",
        "served_model",
        "finish_reason",
        "usage",
        "input_text",
        "output_text",
        "status",
    ]
    assert [row[name] for name in names] == [
        "gpt-4o-mini",
        "gpt-4o-mini-2024-07-18",
        "stop",
        {"prompt_tokens": 3, "completion_tokens": 2},
        "왜?",
        "그래서.",
        "ok",
    ]
    assert (row["provider"], row["endpoint"], row["body_state"]) == ("unknown", "unknown", "full")
    assert row["usage_raw"] == '{"prompt_tokens": 3, "completion_tokens": 2}'


def test_bodies_keep_their_bytes(
    run: Importer, write: Callable[[bytes], Path], connection: Connection
) -> None:
    head = json.dumps(record()).encode()[:-1]
    odd = b'{"b" : 1,"a":1.50,"a":"\\u00e9 \\ud800"}'
    assert run(write(head + b',"request":' + odd + b',"response":"plain words"}')).landed == 1
    row = one(connection, "request, response, output_text")
    assert decompress(row["request"]) == odd
    assert decompress(row["response"]) == b"plain words"


def test_messages_alone_make_a_request(
    run: Importer, write: Callable[[bytes], Path], connection: Connection
) -> None:
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}]
    assert run(write(line(input_text=..., messages=messages))).landed == 1
    row = one(connection, "request, input_text")
    assert json.loads(decompress(row["request"])) == {"model": "gpt-4o", "messages": messages}
    assert row["input_text"] == "hello"


def test_unknown_members_are_kept_as_tags(
    run: Importer, write: Callable[[bytes], Path], connection: Connection
) -> None:
    data = line(
        team="search", score={"a": [1.5]}, tags={"team": "own", "x": 1}, user_id=42, is_streamed="true"
    )
    assert run(write(data)).landed == 1
    row = one(connection, "tags, user_id, is_streamed")
    assert row["tags"] == {"team": "own", "x": 1, "score": {"a": [1.5]}}
    assert (row["user_id"], row["is_streamed"]) == ("42", True)


def test_a_time_may_be_unix_seconds(
    run: Importer, write: Callable[[bytes], Path], connection: Connection
) -> None:
    assert run(write(line(started_at=NOON.timestamp() + 0.25))).landed == 1
    assert one(connection, "started_at")["started_at"] == NOON + timedelta(milliseconds=250)


def test_an_id_that_is_no_v7_of_the_time_becomes_the_external_id(
    run: Importer, write: Callable[[bytes], Path], connection: Connection
) -> None:
    own, other = uuid7(NOON), uuid7(NOON + timedelta(days=1))
    data = b"".join(
        [
            line(0, call_id=str(own), external_id=...),
            line(1, call_id=str(other), external_id=...),
            line(2, call_id="chatcmpl-1", external_id=...),
            line(3, call_id="inner", external_id="outer"),
        ]
    )
    assert run(write(data)).landed == 4
    query = "select call_id = %s, external_id, tags from raw.llm_calls order by started_at"
    assert connection.execute(query, [own]).fetchall() == [
        (True, None, {}),
        (False, str(other), {}),
        (False, "chatcmpl-1", {}),
        (False, "outer", {"call_id": "inner"}),
    ]
    assert run(write(data)).already_there == 4


def test_identical_lines_without_an_id_are_one_call(run: Importer, write: Callable[[bytes], Path]) -> None:
    data = line(external_id=...) * 2 + line(external_id=..., user_id="another")
    summary = run(write(data))
    assert (summary.landed, summary.already_there) == (2, 1)
    assert run(write(data)).already_there == 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"started_at": "2026-11-19T12:00:00Z", "requ\n', "broken_json"),
        (b"not json at all\n", "broken_json"),
        (b'{"a": 1} {"b": 2}\n', "broken_json"),
        (b"[1, 2]\n", "bad_field"),
        (b'"text"\n', "bad_field"),
        (b'{"tags":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "too_deep"),
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
    run: Importer, write: Callable[[bytes], Path], connection: Connection, data: bytes, reason: str
) -> None:
    path = write(line(1) + data + line(2))
    summary = run(path)
    assert (summary.landed, summary.rejected) == (2, 1)
    assert rejects_of(summary.rejects_file) == [(2, reason)]
    assert run(path).rejected == 1
    query = "select reason, position, origin from raw.dead_letters"
    assert connection.execute(query).fetchall() == [(reason, "line 2", str(path))]


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (b'{"prompt_tokens":"12","total":"x"}', {"prompt_tokens": "12", "total": "x"}),
        (b'"{\\"prompt_tokens\\": 12}"', {"prompt_tokens": 12}),
        (b'"12 tokens"', None),
        (b"[1]", None),
        (b'{"a":1,"a":2, "n":123456789012345678901234567890}', {"a": 2, "n": 123456789012345678901234567890}),
    ],
)
def test_any_usage_lands_verbatim(
    run: Importer, write: Callable[[bytes], Path], connection: Connection, usage: bytes, read: object
) -> None:
    data = json.dumps(record(provider="nobody-knows")).encode()[:-1] + b',"usage":' + usage + b"}"
    assert run(write(data)).landed == 1
    row = one(connection, "usage, usage_raw, provider")
    assert (row["usage"], row["usage_raw"], row["provider"]) == (read, usage.decode(), "nobody-knows")


@pytest.mark.parametrize(
    ("written", "original"),
    [
        (b'"nul \\u0000 and \\\\ slash"', "nul \x00 and \\ slash"),
        (b'"half \\ud83d"', "half \ud83d"),
        (b'"bytes of half \xed\xa0\xbd"', "bytes of half \ud83d"),
        (b'"latin \xe9"', "latin \udce9"),
    ],
)
def test_text_that_postgres_cannot_hold_lands_reversibly(
    run: Importer, write: Callable[[bytes], Path], connection: Connection, written: bytes, original: str
) -> None:
    head = json.dumps(record(output_text=...)).encode()[:-1]
    assert run(write(line(1) + head + b',"output_text":' + written + b"}\n" + line(2))).landed == 3
    query = """
        select output_text, tags from raw.llm_calls inner join raw.llm_bodies using (started_at, call_id)
        order by started_at limit 1
    """
    ((text, tags),) = connection.execute(query).fetchall()
    assert restore(text) == original
    assert tags == {"lqo.repaired": ["output_text"]}


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.compress])
def test_a_truncated_file_lands_what_is_readable_and_the_whole_one_finishes(
    run: Importer, write: Callable[[bytes], Path], pack: Callable[[bytes], bytes]
) -> None:
    whole = pack(b"".join(line(n, input_text=str(uuid7())) for n in range(20_000)))
    with pytest.raises(ImportFailedError, match="ends too early") as failed:
        run(write(whole[: len(whole) // 2]))
    landed = failed.value.summary.landed
    assert 0 < landed < 20_000
    assert failed.value.summary.rejected == 0
    summary = run(write(whole))
    assert (summary.landed, summary.already_there) == (20_000 - landed, landed)


def test_the_other_files_land_when_one_cannot_be_read(
    run: Importer, write: Callable[[bytes], Path], tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(b"\x1f\x8b" + b"nonsense" * 10)
    with pytest.raises(ImportFailedError, match="damaged") as failed:
        run(damaged, tmp_path / "absent.jsonl", write(lines(3)))
    assert failed.value.summary.landed == 3
    assert "absent.jsonl" in str(failed.value)
    assert "\n" not in str(failed.value)


def test_the_same_id_with_another_content_or_time_is_rejected(
    run: Importer, write: Callable[[bytes], Path]
) -> None:
    data = line(0) + line(0, output_text="other") + line(1, external_id="call-0") + line(0)
    summary = run(write(data))
    assert (summary.landed, summary.already_there, summary.rejected) == (1, 1, 2)
    assert rejects_of(summary.rejects_file) == [(2, "conflicting_duplicate"), (3, "conflicting_duplicate")]


def test_rejects_survive_a_home_that_cannot_be_written(
    run: Importer, write: Callable[[bytes], Path], connection: Connection
) -> None:
    run.settings.home.parent.mkdir(exist_ok=True)
    run.settings.home.write_text("a file where the folder should be")
    with pytest.raises(ImportFailedError, match="see raw") as failed:
        run(write(line(0) + b"broken\n"))
    assert (failed.value.summary.landed, failed.value.summary.rejects_file) == (1, None)
    assert connection.execute("select count(*) from raw.dead_letters").fetchone() == (1,)


def test_an_unknown_format_is_bad_usage(run: Importer, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown format 'nosuch'"):
        import_files([tmp_path], settings=run.settings, url=run.url, format="nosuch")


def test_progress_ends_at_the_size_of_the_files(run: Importer, write: Callable[[bytes], Path]) -> None:
    path, told = write(gzip.compress(lines(3000))), list[int]()
    import_files([path, path], settings=run.settings, url=run.url, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 2 * path.stat().st_size


def test_the_load_is_booked(run: Importer, write: Callable[[bytes], Path], connection: Connection) -> None:
    run(write(line(0) + b"broken\n" + line(0) + line(1, latency_ms=-1)))
    query = "select kind, landed, already_there, rejected, finished_at is not null from raw.loads"
    assert connection.execute(query).fetchall() == [("import", 1, 1, 2, True)]
