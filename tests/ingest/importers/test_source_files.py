"""Files opened as what they are: lists, tables, messages, and their broken ends."""

import decimal
import gzip
import json
import struct
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ingest.call import Call
from ingest.importers.formats.base import Within
from ingest.importers.formats.catalogue import make_formats
from ingest.importers.formats.langfuse_traces import Traces
from ingest.importers.json_values import list_start, split_values
from ingest.importers.lines import Line
from ingest.importers.parts import parts_of
from ingest.importers.source_files import SourceFile, open_source
from ingest.importers.sources import SourceError
from tests.ingest.importers import exports

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def chunks_of(data: bytes, size: int) -> Iterable[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def opened(path: Path, name: str | None = None) -> SourceFile:
    formats = [each for each in make_formats(Traces()) if name in (None, each.name)]
    return open_source(path, formats=formats, on_read=lambda _size: None)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@given(
    items=st.lists(st.dictionaries(st.text(), json_values, max_size=4), max_size=6), size=st.integers(1, 40)
)
def test_the_items_of_a_list_come_out_whatever_the_pieces(items: list[dict[str, Any]], size: int) -> None:
    for indent in (None, 2):
        data = json.dumps(items, indent=indent).encode("utf-8", "surrogatepass")
        start = list_start(data)
        assert start is not None
        found = list(split_values(chunks_of(data[start:], size), is_list=True))
        assert [json.loads(line.data) for line in found] == items
        assert [line.number for line in found] == [*range(1, len(items) + 1)]


def test_what_stands_between_objects_is_not_lost() -> None:
    found = list(split_values([b'1, {"a": "}"}, "x" {"b": 2}, junk]'], is_list=True))
    assert [line.data for line in found] == [b"1", b'{"a": "}"}', b'"x"', b'{"b": 2}', b"junk"]


def test_an_object_that_is_too_long_is_only_begun() -> None:
    long = json.dumps({"a": "x" * 100_000, "b": ["\\" * 9]}).encode()
    data = long + b',{"a": 1}]'
    first, second = split_values(chunks_of(data, 1000), is_list=True, longest=20_000)
    assert (first.is_whole, first.size, len(first.data)) == (False, len(long), 2000)
    assert second == Line(2, b'{"a": 1}', 8)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1}, {"b": ', "inside an object"),
        (b'{"a": 1}, {"b": "x', "inside an object"),
        (b'{"a": 1},', "does not end"),
        (b'{"a": 1}] {"data": [{}]}', "more follows"),
    ],
)
def test_a_list_that_was_not_finished_gives_what_it_has_and_says_so(data: bytes, message: str) -> None:
    found: list[Line] = []
    with pytest.raises(SourceError, match=message):
        found.extend(split_values([data], is_list=True))
    assert found == [] or found[0].data == b'{"a": 1}'


@pytest.mark.parametrize(
    ("data", "name", "unit", "count"),
    [
        (exports.lines(exports.observation(), exports.observation(1)), "langfuse", "line", 2),
        (json.dumps([exports.observation()]).encode(), "langfuse", "item", 1),
        (json.dumps([exports.helicone_request()], indent=2).encode(), "helicone", "item", 1),
        (json.dumps({"data": [exports.spend_log()], "total": 1}).encode(), "litellm", "item", 1),
        (json.dumps(exports.logging_payload(), indent=4).encode(), "litellm", "item", 1),
        (
            json.dumps(
                {"object": "list", "data": [exports.stored_completion()], "first_id": "a", "has_more": False}
            ).encode(),
            "openai",
            "item",
            1,
        ),
        (exports.lines(exports.traces_document(), exports.traces_document(first=1)), "otlp", "line", 2),
        (b"\n\n broken\n" + exports.lines(exports.score()), "langfuse", "line", 4),
        (b'{"started_at": 1, "requested_model": "x"}\n', "canonical", "line", 1),
        (b"\xef\xbb\xbf" + exports.lines(exports.spend_log()), "litellm", "line", 1),
    ],
)
def test_a_format_is_told_by_what_the_file_holds(
    tmp_path: Path, data: bytes, name: str, unit: str, count: int
) -> None:
    for packed in (data, gzip.compress(data), zstandard.compress(data)):
        source = opened(write(tmp_path / "some.file", packed))
        assert source.format is not None
        assert (source.format.name, source.unit) == (name, unit)
        assert len(list(source.units)) == count


def test_what_nothing_tells_is_of_no_format(tmp_path: Path) -> None:
    assert opened(write(tmp_path / "a", b"hello\n")).format is None
    assert opened(write(tmp_path / "b", b"")).is_empty
    assert opened(write(tmp_path / "c", b"[\n]\n")).is_empty
    with pytest.raises(SourceError, match="CSV"):
        opened(write(tmp_path / "d", b"id,trace_id,type,name,start_time,end_time\n1,2,3,4,5,6\n"))


def test_a_huge_first_object_is_told_by_the_names_in_sight(tmp_path: Path) -> None:
    row = exports.observation(input="x" * 600_000)
    source = opened(write(tmp_path / "huge.jsonl", exports.lines(row)))
    assert source.format is not None
    assert source.format.name == "langfuse"
    assert len(next(iter(source.units)).data) > 600_000


def test_rows_of_parquet_are_read_as_lines_of_json(tmp_path: Path) -> None:
    row = exports.observation(input_price=..., output_price=..., total_price=..., tool_definitions=...)
    maps = {
        name: [{"key": key, "value": value} for key, value in row[name].items()] for name in ("metadata",)
    }
    usage = [{"key": key, "value": value} for key, value in row["usage_details"].items()]
    path = tmp_path / "observations.parquet"
    pl.DataFrame([{**row, **maps, "usage_details": usage, "cost_details": []}] * 3).with_columns(
        pl.col("start_time", "end_time").str.to_datetime(time_zone="UTC")
    ).write_parquet(path)
    source = opened(path)
    assert source.format is not None
    assert (source.format.name, source.unit) == ("langfuse", "row")
    rows = [json.loads(line.data) for line in source.units]
    assert len(rows) == 3
    assert rows[0]["input"] == row["input"]


def test_a_table_as_clickhouse_writes_it_is_the_same_call(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    row, cost = exports.observation(), decimal.Decimal("0.000007200000")
    maps = pa.map_(pa.string(), pa.string()), pa.map_(pa.string(), pa.uint64())
    columns = {
        "id": pa.array([row["id"].encode()], pa.binary()),
        "trace_id": pa.array([row["trace_id"]]),
        "type": pa.array([row["type"]]).dictionary_encode(),
        "start_time": pa.array([exports.NOON.replace(tzinfo=None)], pa.timestamp("us")),
        "end_time": pa.array([exports.NOON + timedelta(seconds=1)], pa.timestamp("ms", tz="UTC")),
        "metadata": pa.array([[*row["metadata"].items()]], maps[0]),
        "usage_details": pa.array([[*row["usage_details"].items()]], maps[1]),
        "total_cost": pa.array([cost], pa.decimal128(18, 12)),
        "input": pa.array([row["input"].encode()], pa.binary()),
        "output": pa.array([row["output"]]),
        "provided_model_name": pa.array([row["provided_model_name"]]),
        "tags": pa.array([row["tags"]]),
        "prompt_version": pa.array([row["prompt_version"]], pa.uint16()),
    }
    parquet.write_table(pa.table(columns), tmp_path / "part.parquet")
    (tmp_path / "part.jsonl").write_bytes(exports.lines(row))
    of_table, of_line = (call_in(tmp_path / name) for name in ("part.parquet", "part.jsonl"))
    for name in ("call_id", "started_at", "input_text", "request", "response", "usage", "prompt_version"):
        assert getattr(of_table, name) == getattr(of_line, name)
    assert of_table.tags["feature"] == "faq"
    assert of_table.latency_ms == 1000


def test_bytes_of_a_table_are_text_wherever_they_stand_and_whatever_they_hold(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    maps = pa.array([[(b"feature", "답 👋".encode())], None, []], pa.map_(pa.binary(), pa.binary()))
    columns = {
        "id": pa.array(["a", "b", "c"]),
        "input": pa.array([b"ok", b"half \xed\x95", None], pa.binary()),
        "end_time": pa.array([exports.NOON] * 3, pa.timestamp("us", tz="Asia/Seoul")),
    }
    for more in (
        {},
        {"metadata": maps, "tags": pa.array([[b"x", b"\xff"], [], None], pa.list_(pa.binary()))},
    ):
        parquet.write_table(pa.table({**columns, **more}), tmp_path / "part.parquet")
        rows = [json.loads(line.data) for line in opened(tmp_path / "part.parquet").units]
        assert [row["input"] for row in rows] == ["ok", "half \\xed\\x95", None]
        assert {row["end_time"] for row in rows} == {"2026-11-18T21:00:00+09:00"}
    assert rows[0]["metadata"] in ({"feature": "답 👋"}, [{"key": "feature", "value": "답 👋"}])
    assert rows[0]["tags"] == ["x", "\\xff"]


def call_in(path: Path) -> Call:
    """The call of a file's first row."""
    source = opened(path)
    assert source.format is not None
    within = Within(exports.NOON - timedelta(days=1), exports.NOON + timedelta(days=1))
    call = next(iter(source.format.read(next(iter(source.units)).data, within))).call
    assert isinstance(call, Call)
    return call


def test_a_table_s_name_is_no_pattern_of_other_files(tmp_path: Path) -> None:
    for number, name in enumerate(("part[1]*.parquet", "part1.parquet", "part1x.parquet")):
        pl.DataFrame([exports.score(number)]).write_parquet(tmp_path / name)
    rows = [json.loads(line.data) for line in opened(tmp_path / "part[1]*.parquet").units]
    assert [row["id"] for row in rows] == ["score-0"]


def test_a_half_written_table_says_so(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    pl.DataFrame([exports.score(number) for number in range(1000)]).write_parquet(path)
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:5]):
        with pytest.raises(SourceError, match="half-written"):
            opened(write(tmp_path / "half.parquet", data))
    with pytest.raises(SourceError, match="unpack it first"):
        opened(write(tmp_path / "packed.parquet", gzip.compress(whole)))


def frames(*messages: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(message)) + message for message in messages)


def test_messages_with_their_length_before_them_are_split(tmp_path: Path) -> None:
    message = json.dumps(exports.traces_document()).encode()
    packed = zstandard.compress(message)
    source = opened(write(tmp_path / "traces", frames(message, packed)))
    assert source.format is not None
    assert (source.format.name, source.unit) == ("otlp", "message")
    assert [line.data for line in source.units] == [message, message]


def test_a_cut_message_says_so_after_the_whole_ones(tmp_path: Path) -> None:
    message = json.dumps(exports.traces_document()).encode()
    source = opened(write(tmp_path / "traces", frames(message, message)[:-5]))
    found: list[Line] = []
    with pytest.raises(SourceError, match="half-written"):
        found.extend(source.units)
    assert [line.data for line in found] == [message]


def test_protobuf_is_read_framed_or_bare(tmp_path: Path) -> None:
    proto = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    request = proto.ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    spans.add(trace_id=bytes(range(16)), span_id=bytes(range(8)), start_time_unix_nano=10**18)
    data = request.SerializeToString()
    for written in (data, frames(data, data)):
        source = opened(write(tmp_path / "traces.pb", written))
        assert source.format is not None
        assert source.format.name == "otlp"
        assert {line.data for line in source.units} == {data}
    with pytest.raises(SourceError, match="only OTLP"):
        opened(tmp_path / "traces.pb", name="langfuse")


def test_a_folder_s_files_come_by_name_without_markers(tmp_path: Path) -> None:
    for name in (
        "b/2.jsonl",
        "b/1.jsonl",
        "a.parquet",
        "manifests/run.json",
        ".hidden",
        "_SUCCESS",
        ".c/x.json",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"{}")
    found = [str(part.path.relative_to(tmp_path)) for part in parts_of([tmp_path])]
    assert found == ["a.parquet", "b/1.jsonl", "b/2.jsonl"]
    assert [part.is_named for part in parts_of([tmp_path / "a.parquet"])] == [True]
