"""`lqo_actions`: the role in which the API writes alerts, and which may write nothing else."""

from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl

ROLE = "lqo_actions"

_IS_THERE: LiteralString = "select exists (select from pg_roles where rolname = 'lqo_actions')"
_IS_MEMBER: LiteralString = """
select exists (
    select from pg_auth_members
    inner join pg_roles as role on role.oid = pg_auth_members.roleid
    inner join pg_roles as member on member.oid = pg_auth_members.member
    where role.rolname = 'lqo_actions' and member.rolname = %s
)
"""
# Rows are added and changed, never deleted: history stays. One API at a time: two would trip over one row.
_GRANTS: tuple[LiteralString, ...] = (
    "select pg_advisory_xact_lock(hashtextextended('alerting.actions', 0))",
    "grant usage on schema alerting to lqo_actions",
    "grant select, insert, update on all tables in schema alerting to lqo_actions",
)
# Another API of the same server may do the same at the same moment.
_DONE_MEANWHILE = (
    psycopg.errors.DuplicateObject,
    psycopg.errors.UniqueViolation,
    psycopg.errors.InternalError_,
)


class ActionRoleError(ValueError):
    """The role cannot be had; the message is one line."""


def ensure_actions_role(owner: DatabaseUrl, *, admin: DatabaseUrl) -> DatabaseUrl:
    """The owner's login in the role, which is made where it is missing and granted schema `alerting`.

    `admin` may make roles, and is only used while the role is missing or is not the owner's to take.
    Raises ActionRoleError.
    """
    with connect(owner, application_name="lqo api (roles)") as connection:
        login = connection.info.user
        if not _holds(connection, _IS_MEMBER, login):
            _make_member(admin, login=login)
        for statement in _GRANTS:
            connection.execute(statement)
    given = dict(owner.options).get("options", "")
    return owner.with_option("options", f"{given} -c role={ROLE}".strip())


def _make_member(admin: DatabaseUrl, *, login: str) -> None:
    with connect(admin, application_name="lqo api (roles)", autocommit=True) as connection:
        try:
            if not _holds(connection, _IS_THERE):
                _unless_done(connection, sql.SQL("create role lqo_actions"))
            grant = sql.SQL("grant lqo_actions to {}").format(sql.Identifier(login))
            _unless_done(connection, grant)
        except psycopg.errors.InsufficientPrivilege as error:
            raise ActionRoleError(
                f"{connection.info.user} may not make roles: have an administrator run"
                f" `create role {ROLE}; grant {ROLE} to {login}` and start the API again"
            ) from error


def _unless_done(connection: psycopg.Connection[TupleRow], statement: sql.SQL | sql.Composed) -> None:
    try:
        connection.execute(statement)
    except _DONE_MEANWHILE:
        return


def _holds(connection: psycopg.Connection[TupleRow], query: LiteralString, *values: str) -> bool:
    return connection.execute(query, values).fetchone() == (True,)
