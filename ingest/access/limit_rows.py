"""Limits and budgets in Postgres."""

from decimal import Decimal
from secrets import token_hex
from typing import LiteralString

import psycopg

from ingest.limits.rules import EVERY
from ingest.limits.subjects import network_of

LIST_LIMITS: LiteralString = (
    "select scope, subject, requests_per_minute, tokens_per_minute from access.limits order by 1, 2"
)
LIST_BUDGETS: LiteralString = """
select scope, subject, period, limit_usd, budget_id, created_at
from access.budgets
order by scope, subject, period
"""
_FIRST_OF_LINE: LiteralString = """
with recursive line as (
    select key_id, 0 as depth from access.api_keys where key_id = %(key)s or prefix = %(key)s
    union
    select older.key_id, line.depth + 1
    from access.api_keys as older
    inner join line on older.replaced_by = line.key_id
    where line.depth < 10000
)
select key_id from line order by depth desc limit 1
"""


def set_limit(
    connection: psycopg.Connection, scope: str, subject: str, *, requests: int | None, tokens: int | None
) -> None:
    """Set both limits of a subject; None lifts one. The old row of the subject is replaced."""
    connection.execute(
        """
        insert into access.limits (scope, subject, requests_per_minute, tokens_per_minute)
        values (%s, %s, %s, %s)
        on conflict (scope, subject) do update
        set requests_per_minute = excluded.requests_per_minute,
            tokens_per_minute = excluded.tokens_per_minute
        """,
        [scope, subject, requests, tokens],
    )


def remove_limit(connection: psycopg.Connection, scope: str, subject: str) -> bool:
    """Whether there was one."""
    done = connection.execute("delete from access.limits where scope = %s and subject = %s", [scope, subject])
    return done.rowcount > 0


def set_budget(
    connection: psycopg.Connection, scope: str, subject: str, *, period: str, limit_usd: Decimal
) -> str:
    """Set the budget of a subject and period; its id. What is spent of it stays spent."""
    with connection.transaction():
        connection.execute("lock table access.budgets in share row exclusive mode")
        row = connection.execute(
            """
            update access.budgets set limit_usd = %s
            where scope = %s and subject = %s and period = %s
            returning budget_id
            """,
            [limit_usd, scope, subject, period],
        ).fetchone()
        if row is not None:
            return row[0]
        budget_id = f"bud_{token_hex(6)}"
        connection.execute(
            """
            insert into access.budgets (budget_id, scope, subject, period, limit_usd)
            values (%s, %s, %s, %s, %s)
            """,
            [budget_id, scope, subject, period, limit_usd],
        )
    return budget_id


def remove_budget(connection: psycopg.Connection, scope: str, subject: str, *, period: str | None) -> int:
    """How many were removed; both periods where None is named."""
    return connection.execute(
        """
        delete from access.budgets
        where scope = %s and subject = %s and period = coalesce(%s, period)
        """,
        [scope, subject, period],
    ).rowcount


def subject_of(connection: psycopg.Connection, scope: str, subject: str) -> str:
    """The subject as the proxy counts it: the first key of a line of rotations, an address's network.

    A key may be named by its id or its prefix; any other name of a key is the `key_id` of a provider's key
    that is passed through.
    """
    if subject == EVERY:
        return subject
    if scope == "ip":
        return network_of(subject)
    if scope == "key":
        row = connection.execute(_FIRST_OF_LINE, {"key": subject}).fetchone()
        return subject if row is None else row[0]
    return subject
