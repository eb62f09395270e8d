"""A call that the proxy and a trace both tell of is counted once, in whichever order they land."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.call import Call
from ingest.landing.land import land_calls
from ingest.loading.twins import hold_twins
from ingest.providers.response_id import RESPONSE_ID_TAG, response_id_of
from tests.ingest.landed_rows import count
from tests.ingest.landing_calls import NOON, NOW, make_call

Connection = psycopg.Connection[TupleRow]
LATER = timedelta(milliseconds=40)


def proxied(*, at: datetime = NOON + LATER, response_id: str | None = "chatcmpl-1", **changes: Any) -> Call:
    tags = {} if response_id is None else {RESPONSE_ID_TAG: response_id}
    return make_call(at=at, key="proxied", tags=tags, **changes)


def spanned(*, at: datetime = NOON, response_id: str | None = "chatcmpl-1", **changes: Any) -> Call:
    tags = {} if response_id is None else {RESPONSE_ID_TAG: response_id}
    return make_call(at=at, key="span", source="otlp", external_id=f"span at {at}", tags=tags, **changes)


def land(connection: Connection, *batches: Sequence[Call]) -> int:
    """Land each batch as the loader does, in a transaction of its own; how many spans were held in all."""
    held = 0
    for batch in batches:
        with connection.transaction():
            result = land_calls(connection, batch, load_id=uuid4(), origin="tests", now=NOW)
            assert not result.rejected
            held += hold_twins(connection, batch)
    return held


def held(connection: Connection) -> list[tuple[Any, ...]]:
    query = "select call_id, reason from evaluation.quarantine where check_name = 'seen_twice' order by 1"
    return connection.execute(query).fetchall()


@pytest.mark.parametrize("order", ["proxy first", "span first", "together"])
def test_the_span_is_held_in_whichever_order_they_land(connection: Connection, order: str) -> None:
    call, span = proxied(), spanned()
    batches = {"proxy first": ([call], [span]), "span first": ([span], [call]), "together": ([span, call],)}
    assert land(connection, *batches[order]) == 1
    assert held(connection) == [(span.call_id, f"the proxy has it as {call.call_id}")]
    assert count(connection, "raw.dirty_hours where stage = 'scores'") == 1
    assert land(connection, [span], [call]) == 0


@pytest.mark.parametrize(
    ("call", "span"),
    [
        ({"response_id": None, "trace_id": "t"}, {"trace_id": "t"}),
        ({"trace_id": "t"}, {"response_id": None, "trace_id": "t"}),
        (
            {"response_id": None, "status": "error", "http_status": 429},
            {"response_id": None, "trace_id": "t", "status": "error"},
        ),
        (
            {"status": "client_gone"},
            {"response_id": None, "trace_id": "t", "status": "error"},
        ),
        ({"at": NOON - timedelta(seconds=4)}, {}),
    ],
    ids=["by trace", "span without an id", "both failed", "the client gave up", "clocks apart"],
)
def test_twins_are_known_by_id_or_else_by_trace_or_failure(
    connection: Connection, call: dict[str, Any], span: dict[str, Any]
) -> None:
    assert land(connection, [proxied(**call)], [spanned(**span)]) == 1


@pytest.mark.parametrize(
    ("call", "span"),
    [
        ({"response_id": "chatcmpl-2", "trace_id": "t"}, {"trace_id": "t"}),
        ({"response_id": None}, {}),
        ({"response_id": None, "trace_id": "t", "requested_model": "gpt-5"}, {"trace_id": "t"}),
        ({"response_id": None, "trace_id": "t"}, {"trace_id": "u"}),
        ({"response_id": None}, {"response_id": None, "trace_id": "t", "status": "error"}),
        ({"at": NOON + timedelta(seconds=30)}, {}),
        ({"source": "import"}, {}),
    ],
    ids=["other id", "no id", "other model", "other trace", "one failed", "another time", "an import"],
)
def test_calls_that_differ_stay_two(
    connection: Connection, call: dict[str, Any], span: dict[str, Any]
) -> None:
    assert land(connection, [proxied(**call)], [spanned(**span)]) == 0
    assert land(connection, [proxied(**call)]) == 0


@pytest.mark.parametrize("is_outer_first", [True, False])
def test_of_two_spans_of_one_answer_the_inner_one_is_the_call(
    connection: Connection, is_outer_first: bool
) -> None:
    outer, inner = spanned(at=NOON), spanned(at=NOON + LATER)
    batches = ([outer], [inner]) if is_outer_first else ([inner], [outer])
    assert land(connection, *batches) == 1
    assert held(connection) == [(outer.call_id, f"the span within it is {inner.call_id}")]


def test_a_span_of_days_looks_no_further_than_a_quarter_of_an_hour(connection: Connection) -> None:
    span = spanned(ended_at=NOON + timedelta(hours=20), latency_ms=72e6)
    near, far = proxied(at=NOON + timedelta(minutes=10)), proxied(at=NOON + timedelta(hours=2))
    assert land(connection, [far], [span]) == 0
    assert land(connection, [near]) == 1


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (b'{"id": "chatcmpl-1", "choices": []}', "chatcmpl-1"),
        (b'data: {"id":"chatcmpl-2","choices":[]}\n\ndata: [DONE]\n\n', "chatcmpl-2"),
        (b'event: message_start\ndata: {"message":{"model":"m","id":"msg_3"}}\n\n', "msg_3"),
        (b'data: {"type":"response.created","response":{"id":"resp_4"}}\n\n', "resp_4"),
        (b'{"candidates": [' + b" " * 5000 + b'], "responseId": "gem-5"}', "gem-5"),
        (b'{"data": [' + b"0.1," * 5000 + b'"id": "not at the start"', None),
        (b'{"error": {"message": "no"}}', None),
        (b"", None),
    ],
)
def test_the_answers_id_is_found_in_every_dialect(response: bytes, expected: str | None) -> None:
    assert response_id_of(response) == expected
