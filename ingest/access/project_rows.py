"""Projects in Postgres: what may be kept of their calls."""

from typing import LiteralString

import psycopg
from psycopg.types.json import Jsonb

from ingest.access.privacy import ProjectError, keeping_of
from ingest.access.snapshot import ProjectRow

LIST_PROJECTS: LiteralString = """
select project, keep, mask_kinds, mask_patterns, created_at, updated_at
from access.projects
order by project
"""
_LONGEST = 1024


def set_project(connection: psycopg.Connection, row: ProjectRow) -> None:
    """Make the project's row exactly this one. Raises ProjectError for one that no proxy could carry out."""
    if not 0 < len(row.project) <= _LONGEST or not row.project.isprintable():
        raise ProjectError(f"a project's name has 1 to {_LONGEST} printable characters")
    keeping_of(row, pepper=b"")
    if row.keep in ("full", "text") and (row.mask_patterns or set(row.mask_kinds) - {"user_id"}):
        raise ProjectError(f"keep {row.keep} masks no text; patterns and kinds belong to keep masked")
    connection.execute(
        """
        insert into access.projects (project, keep, mask_kinds, mask_patterns)
        values (%s, %s, %s, %s)
        on conflict (project) do update set
            keep = excluded.keep,
            mask_kinds = excluded.mask_kinds,
            mask_patterns = excluded.mask_patterns,
            updated_at = now()
        """,
        [row.project, row.keep, list(row.mask_kinds), Jsonb(row.mask_patterns)],
    )


def remove_project(connection: psycopg.Connection, project: str) -> bool:
    """Forget the project's wish; whether there was one."""
    found = connection.execute("delete from access.projects where project = %s", [project])
    return found.rowcount > 0
