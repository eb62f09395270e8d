"""Connections speak UTC, errors are one line, and only what passes by itself is tried again."""

from collections.abc import Callable

import psycopg
import pytest
from psycopg import sql

from ingest.database.connect import DatabaseUnavailable, check_server, connect, with_retries
from ingest.database.url import DatabaseUrl, parse_url


def test_a_session_runs_in_utc_whatever_the_database_prefers(empty_database: DatabaseUrl) -> None:
    with connect(empty_database) as connection:
        name = sql.Identifier(empty_database.dbname)
        connection.execute(sql.SQL("alter database {} set timezone = 'Asia/Seoul'").format(name))
    with connect(empty_database) as connection:
        row = connection.execute(
            "select current_setting('timezone'), '2026-01-01'::timestamptz::text"
        ).fetchone()
    assert row == ("UTC", "2026-01-01 00:00:00+00")


def test_options_of_the_url_win_and_stand_beside_ours(empty_database: DatabaseUrl) -> None:
    url = empty_database.with_option("application_name", "mine").with_option("options", "-c work_mem=7MB")
    with connect(url) as connection:
        names = ("application_name", "work_mem", "timezone")
        found = [connection.execute("select current_setting(%s)", [name]).fetchone() for name in names]
    assert found == [("mine",), ("7MB",), ("UTC",)]


def test_a_session_commits_each_statement_only_if_told_to(empty_database: DatabaseUrl) -> None:
    with connect(empty_database, autocommit=True) as connection:
        assert connection.autocommit
    with connect(empty_database) as connection:
        assert not connection.autocommit


@pytest.mark.parametrize(
    ("change", "says", "is_transient"),
    [
        (lambda url: url.with_database("nowhere"), "does not exist", False),
        (lambda _: parse_url("postgresql://me:hush@127.0.0.1:1/x"), "Connection refused", True),
        (lambda _: parse_url("postgresql://me:hush@%2Fnowhere/x"), "No such file", True),
    ],
)
def test_a_failed_connection_is_one_line_without_the_password(
    empty_database: DatabaseUrl, change: Callable[[DatabaseUrl], DatabaseUrl], says: str, is_transient: bool
) -> None:
    url = change(empty_database)
    with pytest.raises(DatabaseUnavailable, match=says) as caught:
        check_server(url)
    assert "\n" not in str(caught.value)
    assert url.password not in str(caught.value)
    assert caught.value.is_transient is is_transient


def test_work_whose_connection_is_lost_is_done_again(empty_database: DatabaseUrl) -> None:
    tries: list[float] = []

    def work() -> str:
        with connect(empty_database, autocommit=True) as connection:
            if len(tries) < 2:
                connection.execute("select pg_terminate_backend(pg_backend_pid())")
            return "done"

    assert with_retries(work, sleep=tries.append) == "done"
    assert len(tries) == 2
    assert 0.08 <= tries[0] <= 0.12
    assert 0.16 <= tries[1] <= 0.24


def test_a_mistake_is_not_tried_again(empty_database: DatabaseUrl) -> None:
    tries: list[float] = []

    def work() -> None:
        with connect(empty_database) as connection:
            connection.execute("selekt 1")

    with pytest.raises(psycopg.errors.SyntaxError):
        with_retries(work, sleep=tries.append)
    assert tries == []


def test_the_last_error_comes_through(empty_database: DatabaseUrl) -> None:
    tries: list[float] = []

    def work() -> None:
        connect(parse_url("postgresql://me@127.0.0.1:1/x"))

    with pytest.raises(DatabaseUnavailable, match="refused"):
        with_retries(work, attempts=3, sleep=tries.append)
    assert len(tries) == 2
