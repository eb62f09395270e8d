"""How one record is read: what it says, what its bodies say, and what nobody could hold."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.landing.content import decompress
from ingest.landing.text import restore
from ingest.uuid7 import uuid7
from tests.ingest.import_lines import NOON, Importer, line, record

Connection = psycopg.Connection[TupleRow]


def one(connection: Connection, columns: str) -> dict[str, Any]:
    query = f"select {columns} from raw.llm_calls inner join raw.llm_bodies using (started_at, call_id)"
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        row = cursor.execute(query).fetchone()  # pyright: ignore[reportArgumentType]
    assert row is not None
    return row


def test_a_full_record_lands_as_it_stands(
    run_import: Importer, write_calls: Callable[[bytes], Path], connection: Connection
) -> None:
    full = json.loads(example_of_the_docs())
    assert run_import(write_calls(json.dumps(full).encode())).landed == 1
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
    run_import: Importer, write_calls: Callable[[bytes], Path], connection: Connection
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
    assert run_import(write_calls(data)).landed == 1
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
    run_import: Importer, write_calls: Callable[[bytes], Path], connection: Connection
) -> None:
    head = json.dumps(record()).encode()[:-1]
    odd = b'{"b" : 1,"a":1.50,"a":"\\u00e9 \\ud800"}'
    assert run_import(write_calls(head + b',"request":' + odd + b',"response":"plain words"}')).landed == 1
    row = one(connection, "request, response, output_text")
    assert decompress(row["request"]) == odd
    assert decompress(row["response"]) == b"plain words"


def test_messages_alone_make_a_request(
    run_import: Importer, write_calls: Callable[[bytes], Path], connection: Connection
) -> None:
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}]
    assert run_import(write_calls(line(input_text=..., messages=messages))).landed == 1
    row = one(connection, "request, input_text")
    assert json.loads(decompress(row["request"])) == {"model": "gpt-4o", "messages": messages}
    assert row["input_text"] == "hello"


def test_unknown_members_are_kept_as_tags(
    run_import: Importer, write_calls: Callable[[bytes], Path], connection: Connection
) -> None:
    data = line(
        team="search", score={"a": [1.5]}, tags={"team": "own", "x": 1}, user_id=42, is_streamed="true"
    )
    assert run_import(write_calls(data)).landed == 1
    row = one(connection, "tags, user_id, is_streamed")
    assert row["tags"] == {"team": "own", "x": 1, "score": {"a": [1.5]}}
    assert (row["user_id"], row["is_streamed"]) == ("42", True)


def test_a_time_may_be_unix_seconds(
    run_import: Importer, write_calls: Callable[[bytes], Path], connection: Connection
) -> None:
    assert run_import(write_calls(line(started_at=NOON.timestamp() + 0.25))).landed == 1
    assert one(connection, "started_at")["started_at"] == NOON + timedelta(milliseconds=250)


def test_an_id_that_is_no_v7_of_the_time_becomes_the_external_id(
    run_import: Importer, write_calls: Callable[[bytes], Path], connection: Connection
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
    assert run_import(write_calls(data)).landed == 4
    query = "select call_id = %s, external_id, tags from raw.llm_calls order by started_at"
    assert connection.execute(query, [own]).fetchall() == [
        (True, None, {}),
        (False, str(other), {}),
        (False, "chatcmpl-1", {}),
        (False, "outer", {"call_id": "inner"}),
    ]
    assert run_import(write_calls(data)).already_there == 4


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
    run_import: Importer,
    write_calls: Callable[[bytes], Path],
    connection: Connection,
    usage: bytes,
    read: object,
) -> None:
    data = json.dumps(record(provider="nobody-knows")).encode()[:-1] + b',"usage":' + usage + b"}"
    assert run_import(write_calls(data)).landed == 1
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
    run_import: Importer,
    write_calls: Callable[[bytes], Path],
    connection: Connection,
    written: bytes,
    original: str,
) -> None:
    head = json.dumps(record(output_text=...)).encode()[:-1]
    assert (
        run_import(write_calls(line(1) + head + b',"output_text":' + written + b"}\n" + line(2))).landed == 3
    )
    query = """
        select output_text, tags from raw.llm_calls inner join raw.llm_bodies using (started_at, call_id)
        order by started_at limit 1
    """
    ((text, tags),) = connection.execute(query).fetchall()
    assert restore(text) == original
    assert tags == {"lqo.repaired": ["output_text"]}
