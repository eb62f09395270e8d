"""Landing: rows, bodies, hours and dead letters in one transaction, the same after any number of runs."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.call import Attempt
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.landing.content import compress_all, content_hash, decompress
from ingest.landing.dead_letters import call_record
from ingest.landing.months import ensure_months
from ingest.landing.text import restore
from ingest.uuid7 import uuid7
from tests.ingest.landed_rows import counts
from tests.ingest.landing_calls import NOON, land, make_call, value

Connection = psycopg.Connection[TupleRow]


def test_a_call_lands_with_every_field(connection: Connection) -> None:
    attempt = Attempt(provider="openai", model="gpt-4o", status=200, started_at=NOON, usage={"n": "1"})
    call = make_call(
        external_id="chatcmpl-1",
        user_id="u",
        session_id="s",
        trace_id="t",
        tags={"team": "search", "n": [1, {"한": "글"}]},
        attempts=(attempt,),
        error_message="none",
        ttft_ms=120.5,
        is_streamed=True,
        input_text="가" * 200,
        output_text="😀" * 200,
    )
    assert land(connection, call).landed == 1
    query = "select * from raw.llm_calls inner join raw.llm_bodies using (started_at, call_id)"
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        row = cursor.execute(query).fetchone()
    assert row is not None
    plain = [name for name in call.__struct_fields__ if name not in ("request", "response", "attempts")]
    assert {name: row[name] for name in plain} == {name: getattr(call, name) for name in plain}
    assert (decompress(row["request"]), decompress(row["response"])) == (call.request, call.response)
    assert row["attempts"] == [json.loads('{"provider":"openai","model":"gpt-4o","status":200,'
        '"started_at":"2026-11-19T12:00:00Z","usage":{"n":"1"}}')]  # fmt: skip
    assert (row["input_preview"], row["output_preview"]) == ("가" * 120, "😀" * 120)
    assert row["content_hash"] == content_hash(call)


def test_only_touched_hours_are_marked(connection: Connection) -> None:
    land(connection, *(make_call(n * 1800) for n in range(4)))
    land(connection, make_call(0), make_call(7200))
    rows = connection.execute("select hour, stage from raw.dirty_hours order by version").fetchall()
    hours = [NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=2)]
    assert sorted(rows) == [(hour, "calls") for hour in hours]


def test_started_at_is_cut_to_the_millisecond(connection: Connection) -> None:
    at = NOON + timedelta(microseconds=123_999)
    assert land(connection, make_call(at=at)).landed == 1
    assert value(connection, "select started_at from raw.llm_calls") == NOON + timedelta(milliseconds=123)


def test_any_offset_from_utc_is_the_same_moment(connection: Connection) -> None:
    seoul = timezone(timedelta(hours=9))
    call = make_call()
    moved = make_call(started_at=call.started_at.astimezone(seoul), ended_at=None)
    assert land(connection, call).landed == 1
    assert land(connection, moved).already_there == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"at": datetime(1970, 1, 1, tzinfo=UTC)}, "out_of_range"),
        ({"at": datetime(2099, 1, 1, tzinfo=UTC)}, "out_of_range"),
        ({"at": datetime(2026, 11, 22, tzinfo=UTC)}, "out_of_range"),
        ({"started_at": datetime(2026, 11, 19, 12)}, "naive_time"),  # noqa: DTZ001
        ({"ended_at": datetime(2026, 11, 19, 12)}, "naive_time"),  # noqa: DTZ001
        ({"ended_at": NOON - timedelta(seconds=1)}, "ended_before_started"),
        ({"ended_at": NOON + timedelta(days=400)}, "absurd_value"),
        ({"started_at": NOON + timedelta(milliseconds=1)}, "id_time_mismatch"),
        ({"latency_ms": -1.0}, "negative_latency"),
        ({"ttft_ms": -0.001}, "negative_latency"),
        ({"latency_ms": float("inf")}, "absurd_value"),
        ({"latency_ms": float("nan")}, "absurd_value"),
        ({"http_status": 2**40}, "absurd_value"),
        ({"external_id": "한" * 700}, "absurd_value"),
        ({"status": "fine"}, "bad_field"),
        ({"purpose": "fun"}, "bad_field"),
    ],
)
def test_what_cannot_be_right_is_a_counted_reject(
    connection: Connection, changes: dict[str, object], reason: str
) -> None:
    result = land(connection, make_call(1), make_call(0, **changes), make_call(2))  # pyright: ignore[reportArgumentType]
    assert (result.landed, [reject.reason for reject in result.rejected]) == (2, [reason])
    assert result.rejected[0].index == 1
    row = connection.execute("select reason, source, origin, position from raw.dead_letters").fetchall()
    assert row == [(reason, "proxy", "a test", "1")]


def test_the_last_moment_of_tomorrow_may_land(connection: Connection) -> None:
    assert land(connection, make_call(at=datetime(2026, 11, 21, 23, 59, 59, 999_000, UTC))).landed == 1


def test_a_dead_letter_is_a_line_that_can_be_mended_and_is_not_written_twice(connection: Connection) -> None:
    bad = make_call(latency_ms=-5.0, input_text="lone \ud83d")
    land(connection, bad)
    land(connection, bad)
    (record,) = connection.execute("select record from raw.dead_letters").fetchall()
    assert json.loads(record[0])["latency_ms"] == -5.0
    assert record[0] == call_record(bad)


def test_text_that_postgres_cannot_hold_is_repaired_beside_its_untouched_neighbours(
    connection: Connection,
) -> None:
    odd = "a\x00b \\ \ud800 c\\u0000"
    calls = [
        make_call(0),
        make_call(1, output_text=odd, user_id="u\x00", tags={"k\x00": ["\udfff", {"n": 1}]}),
        make_call(2, tags={"plain": "\\u0000 \\\\"}, output_text="back\\slash"),
        make_call(3, usage={"a\ud800": "\x00"}, attempts=(Attempt(provider="p\x00", model="m"),)),
    ]
    assert land(connection, *calls).landed == 4
    query = """
        select output_text, user_id, tags, usage, attempts, output_preview
        from raw.llm_calls inner join raw.llm_bodies using (started_at, call_id) order by started_at
    """
    clean, repaired, plain, documents = connection.execute(query).fetchall()
    assert clean[2] == {}
    assert restore(repaired[0]) == odd == restore(repaired[5])
    assert restore(repaired[1]) == "u\x00"
    assert repaired[2] == {"k\\u0000": ["\\udfff", {"n": 1}],
        "lqo.repaired": ["output_text", "tags", "user_id"]}  # fmt: skip
    assert (plain[0], plain[2]) == ("back\\slash", {"plain": "\\u0000 \\\\"})
    assert documents[2] == {"lqo.repaired": ["attempts", "usage"]}
    assert documents[3] == {"a\\ud800": "\\u0000"}
    assert documents[4] == [{"provider": "p\\u0000", "model": "m"}]


def test_a_name_too_long_for_an_index_is_clipped_and_kept_whole_in_the_tags(connection: Connection) -> None:
    assert land(connection, make_call(user_id="u" * 501, requested_model="한" * 9000)).landed == 1
    row = connection.execute("select user_id, requested_model, tags from raw.llm_calls").fetchone()
    whole = {"user_id": "u" * 501, "requested_model": "한" * 9000}
    assert row == ("u" * 500, "한" * 500, {"lqo.clipped": whole})


def test_a_row_that_postgres_refuses_is_found_and_the_others_land(connection: Connection) -> None:
    connection.execute("alter table raw.llm_calls add constraint no_bad check (project <> 'bad')")
    connection.commit()
    calls = [make_call(n, project="bad" if n in (3, 77) else "good") for n in range(100)]
    result = land(connection, *calls)
    assert result.landed == 98
    assert [(reject.index, reject.reason) for reject in result.rejected] == [
        (3, "refused_by_postgres"),
        (77, "refused_by_postgres"),
    ]
    n_calls, n_bodies, _, _, n_dead = counts(connection)
    assert (n_calls, n_bodies, n_dead) == (98, 98, 2)


def test_a_fault_of_the_server_is_raised_and_nothing_lands(connection: Connection) -> None:
    connection.execute("alter table raw.llm_bodies rename to elsewhere")
    connection.commit()
    with pytest.raises(psycopg.errors.UndefinedTable):
        land(connection, make_call())
    assert value(connection, "select count(*) from raw.llm_calls") == 0


def test_late_rows_get_the_month_they_need(connection: Connection) -> None:
    months = [datetime(2026, month, 3, tzinfo=UTC) for month in (5, 9, 10)]
    assert land(connection, *(make_call(at=at) for at in months)).landed == 3
    query = "select count(*) from pg_inherits where inhparent = 'raw.llm_calls'::regclass"
    assert value(connection, query) == 3


def test_sessions_that_need_a_month_at_once_make_it_once(warehouse: DatabaseUrl) -> None:
    months = [date(2023, month, 1) for month in range(1, 7)]
    barrier = threading.Barrier(4)

    def make() -> None:
        with connect(warehouse, autocommit=True) as connection:
            for month in months:
                barrier.wait(30)
                ensure_months(connection, [month])

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(make) for _ in range(4)]:
            done.result(60)


def test_a_landing_inside_a_transaction_goes_with_it(connection: Connection) -> None:
    land(connection, make_call())
    with connection.transaction():
        assert land(connection, make_call(1), make_call(2, latency_ms=-1.0)).landed == 1
        assert land(connection, make_call(3)).landed == 1
        raise psycopg.Rollback
    assert counts(connection) == (1, 1, 0, 1, 0)


def test_texts_stand_packed_in_their_rows(connection: Connection) -> None:
    text = "The quick brown fox jumps over the lazy dog, and the lazy dog lets it. " * 30
    assert land(connection, make_call(output_text=text)).landed == 1
    size = value(connection, "select pg_column_size(output_text) from raw.llm_bodies")
    assert size < len(text) / 2
    assert value(connection, "select output_text from raw.llm_bodies") == text
    # Out of line a call would cost a second row and an index entry.
    toast = "select sum(pg_relation_size(reltoastrelid)) from pg_class where relname like 'llm_bodies_y%'"
    assert value(connection, toast) == 0


def test_ids_and_bodies_survive_the_trip(connection: Connection) -> None:
    body = bytes(range(256)) * 2000
    at = NOON + timedelta(microseconds=654_321)
    call = make_call(call_id=uuid7(at), started_at=at, ended_at=None, request=body, response=b"")
    assert land(connection, call).landed == 1
    request = value(connection, "select request from raw.llm_bodies")
    assert decompress(request) == body
    assert decompress(value(connection, "select response from raw.llm_bodies")) == b""
    assert compress_all([None, body, None]) == [None, request, None]
