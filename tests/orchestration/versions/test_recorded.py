"""Recorded scores land once under a version of their own; what cannot land is counted with its reason."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.importers.lines import split_lines
from orchestration.versions.recorded import Recorded, land_recorded
from orchestration.versions.recorded_rows import BadRow, Form, RecordedScore, read_rows
from orchestration.versions.registry import Version
from tests.orchestration.seeding import DAY_START, add_calls, count, rows
from tests.orchestration.versions.scoring import version

Connection = psycopg.Connection[TupleRow]
LANDED = """
select value, label, explanation, unscored_reason from evaluation.judgements order by started_at, call_id
"""


@pytest.fixture
def external(connection: Connection) -> Version:
    """Ten calls, of which the first has the foreign id `외부-1`."""
    with connection.transaction():
        add_calls(connection, 10)
        connection.execute(
            "insert into raw.external_ids (source, external_id, call_id, started_at, content_hash)"
            " select 'import', '외부-1', call_id, started_at, '' from raw.llm_calls"
            " order by started_at limit 1"
        )
        connection.execute("delete from raw.dirty_hours")
    return version(connection, "judge-a", evaluator="helpfulness", kind="external")


def call_ids(connection: Connection) -> list[str]:
    return [str(key) for (key,) in rows(connection, "select call_id from raw.llm_calls order by started_at")]


def parse(lines: Iterable[dict[str, Any] | str], form: Form = "jsonl") -> list[RecordedScore | BadRow]:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return list(read_rows(split_lines([text.encode("utf-8", "surrogatepass")]), form=form))


def land(connection: Connection, of: Version, lines: Iterable[dict[str, Any] | str], **more: Any) -> Recorded:
    return land_recorded(connection, of, parse(lines), **more)


def test_scores_land_by_either_id_and_again_change_nothing(connection: Connection, external: Version) -> None:
    ids = call_ids(connection)
    lines = [
        {
            "external_id": "외부-1",
            "value": 4,
            "label": "good",
            "explanation": "명확함 👍",
            "at": "2026-10-20T10:00:00+09:00",
        },
        {"call_id": ids[1], "value": "3.5"},
        {"call_id": ids[2], "unscored_reason": "parse_error", "explanation": "no verdict"},
        {"call_id": "외부-1", "value": 4, "label": "good", "explanation": "명확함 👍"},
    ]
    done = land(connection, external, lines)

    # The last line says of the first call what the first line said.
    assert (done.n_landed, done.n_already_there, done.n_rejected) == (3, 1, 0)
    found = rows(connection, LANDED)
    assert found == [
        (Decimal(4), "good", "명확함 👍", None),
        (Decimal("3.5"), None, None, None),
        (None, None, "no verdict", "parse_error"),
    ]
    marks = rows(connection, "select hour, stage from raw.dirty_hours")
    assert marks == [(DAY_START, "scores")]
    assert rows(connection, "select day, n_scored, n_unscored from evaluation.shadow_days") == [
        (DAY_START.date(), 2, 1)
    ]

    again = land(connection, external, lines)
    assert (again.n_landed, again.n_already_there, again.n_rejected) == (0, 4, 0)
    assert rows(connection, LANDED) == found
    assert count(connection, "raw.dirty_hours") == 1


def test_every_row_is_counted_whatever_the_batches(connection: Connection, external: Version) -> None:
    ids = call_ids(connection)
    lines = [{"call_id": key, "value": n} for n, key in enumerate(ids)] * 2
    done = land(connection, external, lines, batch_rows=3)
    assert (done.n_landed, done.n_already_there, done.n_rejected) == (10, 10, 0)
    assert [value for value, *_ in rows(connection, LANDED)] == list(range(10))


def test_a_version_says_one_thing_of_a_call(connection: Connection, external: Version) -> None:
    key = call_ids(connection)[0]
    land(connection, external, [{"call_id": key, "value": 4}])

    done = land(connection, external, [{"call_id": key, "value": 5}])

    assert (done.n_landed, done.n_rejected) == (0, 1)
    assert done.reasons == {"the call has another score of this version": 1}
    assert rows(connection, LANDED) == [(Decimal(4), None, None, None)]
    other = version(connection, "judge-b", evaluator="helpfulness", kind="external")
    assert land(connection, other, [{"call_id": key, "value": 5}]).n_landed == 1


def test_calls_that_are_not_known_or_not_clear_are_rejected(
    connection: Connection, external: Version
) -> None:
    with connection.transaction():
        connection.execute(
            "insert into raw.external_ids (source, external_id, call_id, started_at, content_hash)"
            " select sources.source, 'twice', call_id, started_at, '' from"
            " (select row_number() over (order by started_at) as n, * from raw.llm_calls) as calls"
            " inner join (values (1, 'import'), (2, 'otlp')) as sources (n, source) using (n)"
        )
    lines = [
        {"external_id": "nobody", "value": 1},
        {"call_id": "0199f5a2-0000-7000-8000-000000000000", "value": 1},
        {"external_id": "twice", "value": 1},
    ]
    done = land(connection, external, lines)
    assert done.reasons == {"no call has this id": 2, "several calls have this id": 1}
    assert [reject.line for reject in done.rejects] == [1, 2, 3]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "no JSON"),
        ("[1, 2]", "no JSON object"),
        ("[" * 5000, "no JSON"),
        ({"value": 1}, "neither call_id nor external_id"),
        ({"call_id": "  ", "value": 1}, "neither call_id nor external_id"),
        ({"call_id": ["x"], "value": 1}, "call_id is no text"),
        ({"call_id": "x"}, "neither value nor unscored_reason"),
        ({"call_id": "x", "value": 1, "unscored_reason": "error"}, "a value and unscored_reason"),
        ({"call_id": "x", "value": "four"}, "value is no number"),
        ({"call_id": "x", "value": [1]}, "value is no number"),
        ('{"call_id": "x", "value": 1e400}', "no JSON"),
        ({"call_id": "x", "value": "NaN"}, "value is no number to count with"),
        ({"call_id": "x", "value": "1e999999"}, "value is no number to count with"),
        ({"call_id": "x", "value": "9" * 40}, "value is no number to count with"),
        ({"call_id": "x", "value": 1, "label": 7}, "label is no text"),
        ({"call_id": "x", "value": 1, "at": "yesterday"}, "at is no ISO 8601 time"),
        ({"call_id": "x", "value": 1, "at": "2026-11-01T10:00:00"}, "at has no time zone"),
    ],
)
def test_a_line_that_is_no_score_says_why(line: dict[str, Any] | str, reason: str) -> None:
    [row] = parse([line])
    assert isinstance(row, BadRow)
    assert row.reason.partition(":")[0] == reason


def test_blank_lines_are_none_and_booleans_are_numbers() -> None:
    found = parse(["", "  ", {"call_id": "x", "value": True}, {"external_id": 7, "value": -0.25}])
    assert [(row.line, row.external_id, row.value) for row in found if isinstance(row, RecordedScore)] == [
        (3, "x", Decimal(1)),
        (4, "7", Decimal("-0.25")),
    ]


def test_text_that_postgres_cannot_hold_is_kept_escaped(connection: Connection, external: Version) -> None:
    key = call_ids(connection)[0]
    line = json.dumps({"call_id": key, "value": 1, "explanation": "a\0b", "label": "x" * 30_000})
    assert land(connection, external, [line]).n_landed == 1
    [(_, label, explanation, _)] = rows(connection, LANDED)
    assert explanation == r"a\u0000b"
    assert len(label) == 20_000


def test_csv_is_read_with_quotes_breaks_and_a_byte_order_mark() -> None:
    text = '\ufeffcall_id,value,explanation,more\nx,4,"one\ntwo, ""three""",z\n\ny,,,z\nz,1\n'
    found = parse(text.split("\n"), form="csv")
    good, empty, short = found
    assert isinstance(good, RecordedScore)
    assert (good.external_id, good.value, good.explanation) == ("x", Decimal(4), 'one\ntwo, "three"')
    assert [row.reason for row in (empty, short) if isinstance(row, BadRow)] == [
        "neither value nor unscored_reason",
        "2 fields, not 4",
    ]


def test_a_csv_without_ids_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="names no call_id or external_id: score, text"):
        parse(["score,text", "1,2"], form="csv")


def test_a_file_of_hostile_ids_reaches_no_query(connection: Connection, external: Version) -> None:
    hostile = ["'; drop table evaluation.judgements; --", "\\N", "a\tb\nc", "\\."]
    done = land(connection, external, [{"external_id": each, "value": 1} for each in hostile])
    assert done.reasons == {"no call has this id": 4}
    assert count(connection, "raw.llm_calls") == 10
