"""Keys in Postgres: made, rotated, revoked. The secrets themselves are never written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg.rows import class_row

from ingest.access.keys import NewKey, new_key

LIST_KEYS: LiteralString = """
select
    key_id, prefix, owner, project, environment, allowed_models,
    case
        when revoked_at is not null then 'revoked'
        when expires_at <= now() or overlap_until <= now() then 'over'
        when replaced_by is not null then 'replaced'
        else 'active'
    end as state,
    created_at, expires_at, overlap_until, replaced_by, revoked_at
from access.api_keys
order by created_at, key_id
"""


class KeyRefusedError(ValueError):
    """No such key, or it is in no state for that; the message is one line."""


@dataclass(frozen=True, slots=True)
class _Held:
    key_id: str
    owner: str
    project: str | None
    environment: str | None
    allowed_models: list[str] | None
    lifetime: timedelta | None
    replaced_by: str | None
    is_over: bool


def create_key(
    connection: psycopg.Connection,
    *,
    owner: str,
    project: str | None = None,
    environment: str | None = None,
    allowed_models: Sequence[str] | None = None,
    expires_at: datetime | None = None,
) -> NewKey:
    """Add a key; the caller shows its secret once and forgets it."""
    key = new_key()
    connection.execute(
        """
        insert into access.api_keys
            (key_id, prefix, secret_hash, owner, project, environment, allowed_models, expires_at)
        values (%s, %s, %s, %s, %s, %s, %s, %s)
        """,
        [
            key.key_id,
            key.prefix,
            key.secret_hash,
            owner,
            project,
            environment,
            None if allowed_models is None else list(allowed_models),
            expires_at,
        ],
    )
    return key


def rotate_key(
    connection: psycopg.Connection, key: str, *, overlap: timedelta, expires_at: datetime | None = None
) -> tuple[str, NewKey]:
    """A new key with the rights of `key` (an id or a prefix), which ends after `overlap`.

    Without an expiry the new key lives as long from now on as the old one was given. Gives the old key's id.
    Raises KeyRefusedError for a key that is over or was replaced already.
    """
    with connection.transaction():
        held = _held(connection, key)
        if held.replaced_by is not None:
            raise KeyRefusedError(
                f"{held.key_id} was replaced by {held.replaced_by} already; rotate that one"
            )
        if held.is_over:
            raise KeyRefusedError(f"{held.key_id} has expired or was revoked; create a new key instead")
        if expires_at is None and held.lifetime is not None:
            expires_at = _now(connection) + held.lifetime
        made = create_key(
            connection,
            owner=held.owner,
            project=held.project,
            environment=held.environment,
            allowed_models=held.allowed_models,
            expires_at=expires_at,
        )
        connection.execute(
            """
            update access.api_keys
            set replaced_by = %s,
                overlap_until = now() + %s,
                revoked_at = case when %s then now() end
            where key_id = %s
            """,
            [made.key_id, overlap, not overlap, held.key_id],
        )
    return held.key_id, made


def revoke_key(connection: psycopg.Connection, key: str) -> str:
    """End a key (an id or a prefix) now; its id. Once more changes nothing. Raises KeyRefusedError."""
    with connection.transaction():
        held = _held(connection, key)
        connection.execute(
            "update access.api_keys set revoked_at = now() where key_id = %s and revoked_at is null",
            [held.key_id],
        )
    return held.key_id


def _held(connection: psycopg.Connection, key: str) -> _Held:
    with connection.cursor(row_factory=class_row(_Held)) as cursor:
        found = cursor.execute(
            """
            select
                key_id, owner, project, environment, allowed_models, expires_at - created_at as lifetime,
                replaced_by,
                revoked_at is not null or coalesce(expires_at <= now(), false)
                    or coalesce(overlap_until <= now(), false) as is_over
            from access.api_keys
            where key_id = %(key)s or prefix = %(key)s
            for update
            """,
            {"key": key},
        ).fetchall()
    if len(found) != 1:
        raise KeyRefusedError(
            f"there is no key {key}" if not found else f"{key} fits several keys; name its id"
        )
    return found[0]


def _now(connection: psycopg.Connection) -> datetime:
    row = connection.execute("select now()").fetchone()
    assert row is not None
    return row[0]
