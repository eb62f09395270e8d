"""A call that comes again: there already, refused, or the END that was missing."""

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.call import Call
from ingest.landing.content import content_hash
from tests.ingest.landed_rows import counts
from tests.ingest.landing_calls import land, make_call, value

Connection = psycopg.Connection[TupleRow]


def test_a_second_landing_changes_nothing(connection: Connection) -> None:
    calls = [make_call(n, external_id=f"id {n}" if n % 2 else None) for n in range(50)]
    assert land(connection, *calls).landed == 50
    before = counts(connection)
    again = land(connection, *reversed(calls))
    assert (again.landed, again.already_there, again.rejected) == (0, 50, ())
    assert counts(connection) == before == (50, 50, 25, 1, 0)


def test_a_repaired_call_that_lands_again_is_already_there(connection: Connection) -> None:
    call = make_call(output_text="\x00\ud800", request=None, response=None)
    assert land(connection, call).landed == 1
    assert land(connection, call).already_there == 1


def test_an_end_replaces_an_interrupted_row_and_nothing_replaces_an_end(connection: Connection) -> None:
    torn = make_call(status="interrupted", response=b"half", output_text="ha", ended_at=None)
    whole = make_call()
    assert land(connection, torn).landed == 1
    assert land(connection, whole).landed == 1
    assert land(connection, torn).already_there == 1
    assert land(connection, whole).already_there == 1
    query = "select status, output_text from raw.llm_calls inner join raw.llm_bodies using (call_id)"
    assert connection.execute(query).fetchall() == [("ok", "answer 0")]
    assert counts(connection) == (1, 1, 0, 2, 0)


def test_an_end_wins_over_its_interrupted_twin_of_the_same_batch(connection: Connection) -> None:
    torn = make_call(status="interrupted", output_text="half", response=None)
    result = land(connection, torn, make_call(), torn)
    assert (result.landed, result.already_there, result.rejected) == (1, 2, ())
    assert value(connection, "select status from raw.llm_calls") == "ok"


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "in two landings"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (make_call(), make_call(response=b"other")),
        (make_call(external_id="x"), make_call(1, external_id="x")),
        (make_call(external_id="x"), make_call(key="other", external_id="x", response=b"other")),
        (make_call(), make_call(1, external_id=str(make_call().call_id))),
        (make_call(1, external_id=str(make_call().call_id), source="import"), make_call(source="import")),
    ],
    ids=["content", "time of an external id", "content of an external id", "time of a call id", "id first"],
)
def test_an_id_with_another_time_or_content_is_a_counted_reject(
    connection: Connection, first: Call, second: Call, together: bool
) -> None:
    if together:
        result = land(connection, first, second)
        assert result.landed == 1
    else:
        assert land(connection, first).landed == 1
        result = land(connection, second)
    assert [reject.reason for reject in result.rejected] == ["conflicting_duplicate"]
    again = land(connection, first, second)
    assert (again.landed, again.already_there, len(again.rejected)) == (0, 1, 1)
    query = "select content_hash from raw.llm_calls"
    assert value(connection, query) == content_hash(first)
    assert value(connection, "select count(*) from raw.dead_letters") == 1


def test_the_same_external_id_may_come_from_two_sources(connection: Connection) -> None:
    calls = make_call(external_id="x"), make_call(1, external_id="x", source="import")
    assert land(connection, *calls).landed == 2


def test_a_known_external_id_with_the_same_content_is_already_there(connection: Connection) -> None:
    assert land(connection, make_call(external_id="x")).landed == 1
    assert land(connection, make_call(key="another id", external_id="x")).already_there == 1
    assert counts(connection)[:3] == (1, 1, 1)
