"""Human labels: read from anything people hand in, landed once, and nothing lost without a word."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.importers.sources import SourceError
from ingest.uuid7 import uuid7
from orchestration.calibration.label_files import LabelFileError, read_rows
from orchestration.calibration.label_rows import LabelError, read_label
from orchestration.calibration.labels import LabelImport, import_labels
from tests.orchestration.calibration.seeded import add_distinct_calls
from tests.orchestration.seeding import count, rows

Connection = psycopg.Connection[TupleRow]
NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)
CALL = str(uuid7(datetime(2026, 10, 14, tzinfo=UTC)))


def land(connection: Connection, *given: dict[str, Any], now: datetime = NOW) -> LabelImport:
    numbered = list(enumerate(given, start=1))
    return import_labels(
        connection, numbered, source="labels.csv", evaluator="helpfulness", rater="ann", now=now
    )


def written(tmp_path: Path, text: str | bytes, *, name: str = "labels") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def fields(path: Path) -> list[Any]:
    return [row if isinstance(row, dict) else row.reason for _, row in read_rows(path)]


def current(connection: Connection) -> list[TupleRow]:
    return rows(connection, "select rater, value, label, at from evaluation.current_labels order by rater")


def test_a_csv_and_the_same_in_json_lines_are_the_same_rows(tmp_path: Path) -> None:
    table = written(tmp_path, 'call_id,label,cluster\nc1,pass,"a, b"\nc2,fail,\n')
    lines = written(
        tmp_path,
        '{"call_id":"c1","label":"pass","cluster":"a, b"}\n\n{"call_id":"c2","label":"fail","cluster":""}',
        name="lines",
    )
    assert fields(table) == fields(lines)
    assert len(fields(table)) == 2


def test_files_may_be_packed_and_begin_with_a_mark(tmp_path: Path) -> None:
    text = "\ufeffcall_id,label\r\nc1,pass\r\n".encode()
    packed = written(tmp_path, gzip.compress(text), name="labels.gz")
    assert fields(packed) == fields(written(tmp_path, text)) == [{"call_id": "c1", "label": "pass"}]


def test_bad_rows_are_told_by_line_and_the_others_read(tmp_path: Path) -> None:
    odd = CALL.encode() + b",\xff\n"
    text = b"call_id,label\nc1,pass\nc2\n" + odd + b"c4,fail,more\n" + b"x" * 70_000 + b"\nc5,pass\n"
    path = written(tmp_path, text)
    found = list(read_rows(path))
    assert [number for number, _ in found] == [2, 3, 4, 5, 6, 7]
    assert [row.reason for _, row in found if isinstance(row, LabelError)] == ["bad_row"] * 3
    with pytest.raises(LabelError, match="UTF-8"):
        read_label({**found[2][1], "rater": "a", "evaluator": "e"}, evaluator=None, rater=None)  # type: ignore[dict-item]


def test_an_open_quote_swallows_no_more_than_a_field_may_hold(tmp_path: Path) -> None:
    body = "".join(f"c{n},pass\n" for n in range(40_000))
    found = fields(written(tmp_path, 'call_id,label\n"c0,pass\n' + body + "c,fail\n"))
    assert "bad_row" in found
    assert {"call_id": "c", "label": "fail"} in found
    assert len(found) > 20_000


def test_lines_that_are_no_objects_are_bad_rows(tmp_path: Path) -> None:
    path = written(tmp_path, '{"call_id":"c1"}\n[1]\n{"call_id"\n' + "[" * 100_000 + "\n" + "{" * 50_000)
    assert fields(path)[1:] == ["broken_json", "broken_json", "too_long", "broken_json"]


@pytest.mark.parametrize("text", ["", "\n\n", "call,label\nc1,pass\n", "call_id,call_id\nc,c\n", "c1,pass\n"])
def test_a_file_without_a_header_of_ours_is_refused_as_a_whole(tmp_path: Path, text: str) -> None:
    with pytest.raises(LabelFileError, match="header"):
        list(read_rows(written(tmp_path, text)))


def test_a_damaged_file_is_an_error_and_not_a_shorter_one(tmp_path: Path) -> None:
    packed = gzip.compress(b"call_id,label\nc1,pass\n" * 1_000)
    with pytest.raises(SourceError):
        list(read_rows(written(tmp_path, packed[:-30])))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "bad_field"),
        ({"call_id": CALL, "external_id": "x", "label": "pass"}, "bad_field"),
        ({"call_id": "no id", "label": "pass"}, "bad_field"),
        ({"call_id": str(uuid4()), "label": "pass"}, "bad_field"),
        ({"call_id": CALL}, "missing_field"),
        ({"call_id": CALL, "label": "good"}, "bad_field"),
        ({"call_id": CALL, "value": "4 of 5"}, "bad_field"),
        ({"call_id": CALL, "value": "NaN"}, "bad_field"),
        ({"call_id": CALL, "value": float("inf")}, "bad_field"),
        ({"call_id": CALL, "value": True}, "bad_field"),
        ({"call_id": CALL, "value": "9" * 5_000}, "bad_field"),
        ({"call_id": CALL, "value": 1e300}, "bad_field"),
        ({"call_id": CALL, "value": 4, "at": "2026-10-14"}, "bad_field"),
        ({"call_id": CALL, "value": 4, "at": "yesterday"}, "bad_field"),
        ({"call_id": CALL, "value": 4, "is_blind": "maybe"}, "bad_field"),
        ({"call_id": CALL, "value": 4, "inclusion_probability": 0}, "bad_field"),
        ({"call_id": CALL, "value": 4, "inclusion_probability": "1.5"}, "bad_field"),
        ({"call_id": CALL, "value": 4, "rater": "a" * 201}, "bad_field"),
        ({"call_id": CALL, "value": 4, "cluster": "a\0b"}, "bad_field"),
        ({"call_id": CALL, "value": 4, "rater": ["a"]}, "bad_field"),
        ({"call_id": CALL, "value": 4, "verdict": "pass"}, "unknown_field"),
    ],
)
def test_a_row_that_is_no_label_says_why(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(LabelError) as error:
        read_label(row, evaluator="helpfulness", rater="ann")
    assert error.value.reason == reason


def test_a_row_needs_an_evaluator_and_a_rater() -> None:
    for evaluator, rater in ((None, "ann"), ("helpfulness", None)):
        with pytest.raises(LabelError, match="missing_field"):
            read_label({"call_id": CALL, "label": "pass"}, evaluator=evaluator, rater=rater)


def test_what_is_blank_is_as_absent() -> None:
    blank = {"call_id": CALL, "label": " PASS ", "value": "", "at": " ", "is_blind": "", "cluster": " "}
    found = read_label(blank, evaluator="helpfulness", rater="안나 🙂")
    assert (found.label, found.value, found.cluster, found.is_blind, found.rater) == (
        "pass",
        None,
        None,
        True,
        "안나 🙂",
    )


def test_a_second_import_changes_nothing(connection: Connection) -> None:
    calls = add_distinct_calls(connection, 3)
    given = [
        {"call_id": str(calls[0]), "label": "pass"},
        {"call_id": str(calls[1]), "value": "2", "at": "2026-10-15T10:00:00+09:00"},
    ]
    first = land(connection, *given)
    before = rows(connection, "select * from evaluation.labels order by call_id")
    again = land(connection, *given, now=NOW + timedelta(days=1))
    assert (first.n_landed, again.n_landed, again.n_unchanged, again.n_rejected) == (2, 0, 2, 0)
    assert rows(connection, "select * from evaluation.labels order by call_id") == before


def test_labels_mark_the_hours_of_their_calls_once(connection: Connection) -> None:
    calls = add_distinct_calls(connection, 2)
    with connection.transaction():
        connection.execute("delete from raw.dirty_hours")
    land(connection, *({"call_id": str(call), "label": "pass"} for call in calls))
    marks = rows(connection, "select hour, stage from raw.dirty_hours")
    assert marks == [(datetime(2026, 10, 14, tzinfo=UTC), "labels")]
    land(connection, *({"call_id": str(call), "label": "pass"} for call in calls))
    assert count(connection, "raw.dirty_hours") == 1


def test_who_thinks_again_adds_a_row_and_the_newest_counts(connection: Connection) -> None:
    call = str(add_distinct_calls(connection, 1)[0])
    land(connection, {"call_id": call, "label": "pass"})
    land(connection, {"call_id": call, "label": "fail"}, now=NOW + timedelta(hours=1))
    assert [row[2] for row in current(connection)] == ["fail"]
    assert count(connection, "evaluation.labels") == 2
    # An older word that comes late is on record and changes nothing.
    land(connection, {"call_id": call, "label": "pass", "at": "2026-10-16T00:00:00Z"})
    assert [row[2] for row in current(connection)] == ["fail"]


def test_two_words_of_one_moment_conflict(connection: Connection) -> None:
    call = str(add_distinct_calls(connection, 1)[0])
    said = {"call_id": call, "label": "pass", "at": "2026-10-16T00:00:00Z"}
    land(connection, said)
    done = land(connection, said | {"label": "fail"})
    assert (done.n_landed, dict(done.reasons)) == (0, {"conflicting": 1})
    # In one file, too, whether or not the rows say when.
    other = str(add_distinct_calls(connection, 1, seed="b", model="m")[0])
    timeless = land(connection, {"call_id": other, "label": "pass"}, {"call_id": other, "label": "fail"})
    timed = land(connection, said | {"rater": "bo"}, said | {"rater": "bo", "label": "fail"})
    assert (timeless.n_landed, dict(timeless.reasons)) == (1, {"conflicting": 1})
    assert (timed.n_landed, dict(timed.reasons)) == (1, {"conflicting": 1})
    assert [row[2] for row in current(connection)] == ["pass"] * 3


def test_the_same_word_twice_in_one_file_is_one(connection: Connection) -> None:
    call = str(add_distinct_calls(connection, 1)[0])
    said = {"call_id": call, "label": "pass", "at": "2026-10-16T00:00:00Z"}
    done = land(connection, said, said, {"call_id": call, "label": "pass", "rater": "bo"})
    assert done.n_rejected == 0
    assert count(connection, "evaluation.labels") == 2


def test_a_label_of_an_unknown_call_is_counted_and_lands_later(connection: Connection) -> None:
    done = land(connection, {"call_id": CALL, "label": "pass"}, {"external_id": "run-7", "label": "fail"})
    assert dict(done.reasons) == {"unknown_call": 2}
    assert "line 1: unknown_call" in done.shown[0]
    assert count(connection, "evaluation.labels") == 0


def test_imported_calls_are_named_by_their_foreign_id(connection: Connection) -> None:
    call = add_distinct_calls(connection, 1)[0]
    with connection.transaction():
        connection.execute(
            "insert into raw.external_ids (source, external_id, call_id, started_at, content_hash)"
            " values ('import', 'run-7', %s, ingest.uuid7_time(%s), '\\x00')",
            (call, call),
        )
    done = land(connection, {"external_id": "run-7", "label": "fail"})
    assert done.n_landed == 1
    assert rows(connection, "select call_id from evaluation.labels") == [(call,)]


def test_thousands_of_rows_land_in_batches_and_bad_ones_hold_up_nobody(connection: Connection) -> None:
    calls = add_distinct_calls(connection, 2_500)
    given: list[dict[str, Any]] = [{"call_id": str(call), "value": 1 + n % 5} for n, call in enumerate(calls)]
    given[1_234] = {"call_id": "broken", "value": 3}
    done = land(connection, *given)
    assert (done.n_landed, dict(done.reasons)) == (2_499, {"bad_field": 1})
    assert done.days == {datetime(2026, 10, 14, tzinfo=UTC).date()}
