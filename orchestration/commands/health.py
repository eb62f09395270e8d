"""`lqo status` and `lqo doctor`."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import psycopg
import typer

from ingest.database.connect import connect
from ingest.database.embedded import ensure_database
from ingest.database.revision import current_revision, head_revision
from ingest.database.sibling import dagster_database_name
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.commands.judge_status import judge_lines
from orchestration.commands.late_spools import describe, late_spools

LEAST_FREE_BYTES = 1 << 30
Finding = tuple[bool, str, str]

_COUNTS = """
select 'calls landed', concat(count(*), ' (newest ' || max(started_at)::text || ')') from raw.llm_calls
union all
select 'dead letters', concat(count(*), ' (' || string_agg(distinct reason, ', ') || ')')
from raw.dead_letters
union all
select 'dirty hours waiting', count(distinct hour)::text from raw.dirty_hours
union all
select 'hours dbt fails on', concat(count(*), ' (newest ' || max(hour)::text || ': '
    || left((array_agg(error order by hour desc))[1], 300) || ')')
from evaluation.held_hours
union all
select 'spools', concat(
    count(*) filter (where retired_at is null), ' live',
    ' (oldest watermark ' || (min(low_watermark) filter (where retired_at is null))::text || ')',
    ', ', count(retired_at), ' retired'
) from ingest.spools
union all
select 'closed days', concat(count(*), ' (last ' || max(day)::text || ')') from evaluation.day_closes
union all
select 'failing day checks', count(*)::text from evaluation.day_checks where not passed
union all
select 'alerts firing', count(*)::text from alerting.states where state = 'firing'
union all
select 'alerts waiting to be sent', count(*)::text from alerting.outbox
where sent_at is null and dead_at is null and muted_at is null
union all
select 'alerts given up', count(*)::text from alerting.outbox where dead_at is not null
"""


def print_status(settings: Settings) -> None:
    """What has landed and what waits, a line each; starts the embedded server if nothing runs."""
    typer.echo(f"{'home':<28}{settings.home}")
    with ensure_database(settings) as url:
        typer.echo(f"{'database':<28}{url.masked()}")
        if current_revision(url) is None:
            typer.echo("the schema is empty: run `lqo migrate`, `lqo import` or `lqo demo`")
            return
        with connect(url) as connection:
            for name, value in connection.execute(_COUNTS).fetchall():
                typer.echo(f"{name:<28}{value}")
            now = datetime.now(UTC)
            for spool in late_spools(connection, start=settings.start, now=now):
                typer.echo(f"{'days held open':<28}{describe(spool, settings=settings, now=now)}")
            for name, value in judge_lines(connection, now=now):
                typer.echo(f"{name:<28}{value}")


def run_doctor(settings: Settings) -> int:
    """Print a line per check; the number of failed checks decides the exit status (0 or 1)."""
    n_failed = 0
    for ok, name, detail in _findings(settings):
        typer.echo(f"{'ok ' if ok else 'BAD'}  {name:<26}{detail}")
        n_failed += not ok
    typer.echo("all is well" if n_failed == 0 else f"{n_failed} to mend")
    return 1 if n_failed else 0


def _findings(settings: Settings) -> Iterator[Finding]:
    yield sys.version_info >= (3, 11), "python", sys.version.split()[0]
    yield _home(settings.home)
    for extra, module in (("warehouse", "dagster"), ("warehouse", "dbt"), ("reports", "evidently")):
        found = find_spec(module) is not None
        yield found, f"package {module}", "installed" if found else f"install the extra [{extra}]"
    try:
        with ensure_database(settings) as url:
            yield True, "database", url.masked()
            yield from _database(settings, url)
    except (RuntimeError, ValueError, OSError, psycopg.Error) as error:
        yield False, "database", " ".join(str(error).split())


def _home(home: Path) -> Finding:
    try:
        home.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(home).free
    except OSError as error:
        return False, "LQO_HOME", f"{home}: {error.strerror}"
    if not os.access(home, os.W_OK):
        return False, "LQO_HOME", f"{home} is not writable"
    return free >= LEAST_FREE_BYTES, "LQO_HOME", f"{home}, {free / (1 << 30):.1f} GB free"


def _database(settings: Settings, url: DatabaseUrl) -> Iterator[Finding]:
    revision, head = current_revision(url), head_revision()
    yield _schema(revision, head)
    checks: list[tuple[str, Callable[[psycopg.Connection], Finding]]] = [
        ("server", _server),
        ("time zone", _time_zone),
        ("dagster database", partial(_dagster_database, name=dagster_database_name(settings, url))),
    ]
    with connect(url, autocommit=True) as connection:
        for name, check in checks:
            try:
                yield check(connection)
            except psycopg.Error as error:
                yield False, name, " ".join(str(error).split())
        if revision == head:
            yield from _spools(connection, settings)


def _schema(revision: str | None, head: str | None) -> Finding:
    if revision is None:
        return True, "schema", "none yet; the first `lqo up`, `demo` or `import` makes it"
    if revision != head:
        return False, "schema", f"revision {revision}, run `lqo migrate` to reach {head}"
    return True, "schema", f"revision {revision}"


def _server(connection: psycopg.Connection) -> Finding:
    number = connection.info.server_version
    return (
        number >= 150000,
        "server",
        f"PostgreSQL {number // 10000}.{number % 10000} (15 or newer is needed)",
    )


def _time_zone(connection: psycopg.Connection) -> Finding:
    row = connection.execute("show timezone").fetchone()
    zone = str(row[0]) if row else "?"
    return zone == "UTC", "time zone", f"session in {zone}"


def _dagster_database(connection: psycopg.Connection, *, name: str) -> Finding:
    row = connection.execute(_CAN_HAVE_DATABASE, [name]).fetchone()
    found, may_create = row or (False, False)
    if found or may_create:
        return True, "dagster database", f"{name}{'' if found else ', made when it is first needed'}"
    return False, "dagster database", f"have an administrator create the database {name}"


def _spools(connection: psycopg.Connection, settings: Settings) -> Iterator[Finding]:
    now = datetime.now(UTC)
    late = late_spools(connection, start=settings.start, now=now)
    for spool in late:
        yield False, "spool", describe(spool, settings=settings, now=now)
    if not late:
        yield True, "spools", "none holds a day open"


_CAN_HAVE_DATABASE = """
select
    exists (select from pg_database where datname = %s),
    (select rolcreatedb or rolsuper from pg_roles where rolname = current_user)
"""
