"""Where a database's schema stands and where it should: two small looks, without alembic's half second."""

import re
from pathlib import Path
from typing import LiteralString

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl

MIGRATIONS = Path(__file__).parents[2] / "infra" / "migrations"

_IS_THERE: LiteralString = "select to_regclass('ingest.schema_version') is not null"
_CURRENT: LiteralString = "select version_num from ingest.schema_version"
# As each file of infra/migrations/versions begins.
_REVISION = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)
_BEFORE = re.compile(r'^down_revision = "(\w+)"$', re.MULTILINE)


def current_revision(url: DatabaseUrl) -> str | None:
    """The revision the database stands at; None before the first migration."""
    with connect(url, application_name="lqo revision") as connection:
        if connection.execute(_IS_THERE).fetchone() != (True,):
            return None
        found = connection.execute(_CURRENT).fetchone()
    return None if found is None else str(found[0])


def head_revision() -> str | None:
    """The newest revision that this program brings; None where there is not exactly one."""
    texts = [path.read_text("utf-8") for path in (MIGRATIONS / "versions").glob("*.py")]
    before = {one for text in texts for one in _BEFORE.findall(text)}
    heads = {one for text in texts for one in _REVISION.findall(text)} - before
    return heads.pop() if len(heads) == 1 else None


def is_current(url: DatabaseUrl) -> bool:
    """Whether the database needs no migration by this program."""
    head = head_revision()
    return head is not None and current_revision(url) == head
