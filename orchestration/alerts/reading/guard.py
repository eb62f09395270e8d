"""Where a rule's SQL runs: as a role that reads the marts and nothing else, read-only, and not for long."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, LiteralString, cast

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.refused import find_refused
from orchestration.alerts.reading.types import ReadingError

ROLE = "lqo_alerts"
TIMEOUT_SECONDS = 15
# A group is a message and a row of states; whoever has more users than this watches projects.
MOST_ROWS = 200_000

_ENTER: LiteralString = """
select
    set_config('transaction_read_only', 'on', true),
    set_config('timezone', 'UTC', true),
    set_config('jit', 'off', true),
    set_config('role', 'lqo_alerts', true)
"""
_TIMEOUT: LiteralString = "select set_config('statement_timeout', %s, true)"
# Every % of a rule is a %, except these two.
_PERCENT = re.compile(r"%(?!\((?:start|end)\)s)")
MISSING_ROLE = (
    f"the role {ROLE}, which reads the marts alone, is missing or not granted: "
    "docs/alerting.md says what an administrator runs"
)


@contextmanager
def guarded(connection: psycopg.Connection[TupleRow], *, seconds: float = TIMEOUT_SECONDS) -> Iterator[None]:
    """Run what follows under the reader's rights, each statement for at most `seconds`.

    A savepoint (or transaction) that is rolled back at the end: with it role, rights and time limit are the
    caller's again. Raises ReadingError in one line; only a lost connection is raised as it is.
    """
    with bounded(connection, seconds=seconds):
        _enter(connection)
        yield


@contextmanager
def bounded(connection: psycopg.Connection[TupleRow], *, seconds: float = TIMEOUT_SECONDS) -> Iterator[None]:
    """The same with the caller's rights, for what our own code reads."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(_TIMEOUT, [f"{round(seconds * 1000)}ms"])
            yield
    except psycopg.Error as error:
        if connection.closed:
            raise
        raise ReadingError(told(error, seconds=seconds)) from error


def fetch(
    connection: psycopg.Connection[TupleRow], query: str, parameters: Mapping[str, Any]
) -> list[TupleRow]:
    """All rows of one statement, which holds a rule's text. Raises ReadingError for more than MOST_ROWS."""
    # With parameters it is prepared, and Postgres refuses a second statement. The client holds all that the
    # server gives: without a limit that might be a day of calls.
    limited = cast(LiteralString, f"{query}\nlimit {MOST_ROWS + 1}")
    rows = connection.execute(limited, parameters, binary=True).fetchall()
    if len(rows) > MOST_ROWS:
        raise ReadingError(f"gives more than {MOST_ROWS:,} groups: choose coarser ones, or a where")
    return rows


def embedded(text: str) -> str:
    """A rule's text as a part of a statement. Raises ReadingError for words that are refused."""
    if word := find_refused(text):
        raise ReadingError(f"may not hold {word}")
    # A line of its own, as it may end in a comment.
    return f"\n{_PERCENT.sub('%%', text.strip().rstrip(';'))}\n"


def told(error: psycopg.Error, *, seconds: float = TIMEOUT_SECONDS) -> str:
    """The server's reason in one line."""
    if isinstance(error, psycopg.errors.QueryCanceled):
        return f"runs longer than {seconds:g} s"
    text = error.diag.message_primary or str(error) or type(error).__name__
    return " ".join(text.split())[:300]


def _enter(connection: psycopg.Connection[TupleRow]) -> None:
    try:
        connection.execute(_ENTER)
    except (psycopg.errors.InvalidParameterValue, psycopg.errors.InsufficientPrivilege) as error:
        raise ReadingError(MISSING_ROLE) from error
