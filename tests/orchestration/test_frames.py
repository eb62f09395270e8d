"""Rows to frames and back without loss."""

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import TupleRow

from orchestration.frames import copy_frame, read_chunk

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(texts=st.lists(st.none() | TEXT | st.sampled_from(["\\N", "\\.", "a\n\\.\nb", "\t\r\n\\", ""])))
def test_any_text_comes_back_from_copy(
    connection: psycopg.Connection[TupleRow], texts: list[str | None]
) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("create temp table copied (n bigint, value text) on commit drop")
        copy_frame(
            cursor,
            pl.DataFrame(
                {"n": range(len(texts)), "value": texts}, schema={"n": pl.Int64, "value": pl.String}
            ),
            table="copied",
        )
        found = cursor.execute("select value from copied order by n").fetchall()

    assert [value for (value,) in found] == texts


def test_typed_columns_come_back_from_copy(connection: psycopg.Connection[TupleRow]) -> None:
    at = datetime(2026, 10, 14, 1, 2, 3, 456000, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "at": pl.Series([at, None], dtype=pl.Datetime("us", "UTC")),
            "flag": [True, None],
            "money": pl.Series([Decimal("0.000000000001"), None], dtype=pl.Decimal(38, 12)),
            "names": [["a", "b"], []],
            "ids": [[1, 2], []],
        }
    )
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            "create temp table copied"
            " (at timestamptz, flag boolean, money numeric, names text[], ids bigint[])"
        )
        copy_frame(cursor, frame, table="copied")
        found = cursor.execute("select * from copied").fetchall()

    assert found == [(at, True, Decimal("0.000000000001"), ["a", "b"], [1, 2]), (None, None, None, [], [])]


def test_a_chunk_ends_when_it_holds_enough_bytes(connection: psycopg.Connection[TupleRow]) -> None:
    query = "select n, repeat('x', 1000) from generate_series(1, 10000) as numbers (n) order by n"
    schema = {"n": pl.Int64(), "text": pl.String()}

    with connection.transaction():
        cut = read_chunk(connection, query, params={}, schema=schema, max_bytes=2_500_000)
        whole = read_chunk(connection, query, params={}, schema=schema, max_bytes=None)

    assert (cut.height, whole.height) == (3_000, 10_000)
    assert cut["n"].to_list() == list(range(1, 3_001))
