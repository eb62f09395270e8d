"""Cursors: they name the last row, of one question, and nothing else."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from litestar.exceptions import ClientException

from reports.api.paging import Key, Paging, order_of, read_cursor, read_paging, write_cursor

KEYS = {
    "time": (Key("at", "timestamptz"), Key("id", "uuid")),
    "amount": (Key("amount", "numeric"), Key("share", "double precision"), Key("name", "text")),
}
SEEN = (datetime(2026, 11, 1, 10, 0, 0, 123000, tzinfo=UTC), UUID(int=7))


@pytest.mark.parametrize(
    ("sort", "seen"), [("-time", SEEN), ("amount", (Decimal("0.000000000001"), 0.1 + 0.2, "한국어\n🙂"))]
)
def test_a_cursor_brings_back_the_very_values(sort: str, seen: tuple[Any, ...]) -> None:
    order = order_of(sort, KEYS, question=["day"])
    assert read_cursor(write_cursor(seen, order=order), order=order) == seen


@pytest.mark.parametrize(("sort", "question"), [("time", ["day"]), ("-time", ["hour"]), ("amount", ["day"])])
def test_a_cursor_of_another_question_is_refused(sort: str, question: list[str]) -> None:
    cursor = write_cursor(SEEN, order=order_of("-time", KEYS, question=["day"]))
    with pytest.raises(ClientException, match="cursor: "):
        read_cursor(cursor, order=order_of(sort, KEYS, question=question))


@pytest.mark.parametrize("text", ["", "!", "W10", "bnVsbA", "eyJhIjoxfQ", "한국어", "A" * 8000, "WyJhIl0="])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ClientException, match="cursor: "):
        read_cursor(text, order=order_of("time", KEYS, question=None))


def test_a_time_without_a_zone_is_no_time_of_ours() -> None:
    order = order_of("time", KEYS, question=None)
    naive = write_cursor(("2026-11-01T10:00:00", UUID(int=7)), order=order)
    with pytest.raises(ClientException, match="cursor: "):
        read_cursor(naive, order=order)


def test_a_cursor_and_an_offset_do_not_go_together() -> None:
    assert read_paging(10, 5, None) == Paging(10, 5, None)
    with pytest.raises(ClientException, match="offset: "):
        read_paging(10, 5, "x")
