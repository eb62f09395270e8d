"""`lqo_bi`: the login of Grafana and Metabase, which reads the marts and nothing else."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import LiteralString

import psycopg
from psycopg import sql

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl

ROLE = "lqo_bi"
SCHEMA = "marts"

# A page that hangs must not hold a connection: no panel of ours takes longer than a second.
SETTINGS: tuple[LiteralString, ...] = (
    "alter role lqo_bi set default_transaction_read_only = on",
    "alter role lqo_bi set statement_timeout = '30s'",
    "alter role lqo_bi set idle_in_transaction_session_timeout = '60s'",
    "alter role lqo_bi set timezone = 'UTC'",
)
_READ_ONLY = frozenset({"default_transaction_read_only=on"})
# As the owner of the schema. The last is for views, which a deployment drops and makes anew.
GRANTS: tuple[LiteralString, ...] = (
    "grant usage on schema marts to lqo_bi",
    "grant select on all tables in schema marts to lqo_bi",
    "alter default privileges in schema marts grant select on tables to lqo_bi",
)
BEYOND: LiteralString = """
select format('%I.%I', pg_namespace.nspname, pg_class.relname)
from pg_class
inner join pg_namespace on pg_namespace.oid = pg_class.relnamespace
where pg_class.relkind in ('r', 'p', 'v', 'm', 'f')
    and pg_namespace.nspname not in ('marts', 'pg_catalog', 'information_schema')
    and has_schema_privilege('lqo_bi', pg_namespace.oid, 'usage')
    and has_table_privilege('lqo_bi', pg_class.oid, 'select, insert, update, delete, truncate')
order by 1
limit 5
"""


class BiRoleError(ValueError):
    """The role cannot be had as it must be; the message is one line."""


@dataclass(frozen=True, slots=True)
class BiLogin:
    """Where BI tools log in. The password is empty where the role was there and kept its own."""

    url: DatabaseUrl
    is_new: bool


def ensure_bi_role(owner: DatabaseUrl, *, admin: DatabaseUrl, new_password: bool = False) -> BiLogin:
    """Make the role where it is missing and grant it the marts; again only completes what lacks.

    `owner` owns schema marts; `admin` may create roles and is only used while the role is missing or gets a
    new password. Raises BiRoleError where `admin` may not, or where the role reads more than the marts.
    """
    password = _ensure_login(admin, new_password=new_password)
    with connect(owner, application_name="lqo bi") as connection:
        for statement in GRANTS:
            connection.execute(statement)
        _refuse_more_than_marts(connection)
    url = replace(owner, user=ROLE, password=password, options=_without_session_options(owner))
    return BiLogin(url, is_new=bool(password))


def _ensure_login(admin: DatabaseUrl, *, new_password: bool) -> str:
    """The password that was set, or an empty text where the role was left alone."""
    with connect(admin, application_name="lqo bi") as connection:
        found = connection.execute("select rolconfig from pg_roles where rolname = %s", [ROLE]).fetchone()
        if found and not new_password:
            # An administrator may have made the role, and then nobody has set its sessions.
            if not _READ_ONLY & {*(found[0] or ())}:
                _run(connection, SETTINGS)
            return ""
        password = secrets.token_urlsafe(24)
        word = sql.SQL("alter" if found else "create")
        login = sql.SQL("{} role lqo_bi login password {}").format(word, sql.Literal(password))
        _run(connection, (login, *SETTINGS))
    return password


def _run(connection: psycopg.Connection, statements: Iterable[LiteralString | sql.Composed]) -> None:
    try:
        for statement in statements:
            connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege as error:
        orders = "; ".join(("create role lqo_bi login password '…'", *SETTINGS))
        raise BiRoleError(
            f"{connection.info.user} may not make roles ({error.diag.message_primary}): have an "
            f"administrator run `{orders}`, then run this again"
        ) from error


def _refuse_more_than_marts(connection: psycopg.Connection) -> None:
    beyond = [name for (name,) in connection.execute(BEYOND)]
    if beyond:
        raise BiRoleError(
            f"{ROLE} can also read {', '.join(beyond)}: revoke that from it, from PUBLIC or from its groups"
        )


def _without_session_options(url: DatabaseUrl) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in url.options if pair[0] != "options")
