"""Calls with prompts of their own."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import TupleRow

from tests.orchestration.seeding import DAY_START, add_calls, rows

Connection = psycopg.Connection[TupleRow]

SET_TEXT = """
update raw.llm_bodies as bodies
set input_text = given.text
from (
    select started_at, (%(texts)s::text[])[row_number() over (order by started_at)] as text
    from raw.llm_bodies
    where started_at >= %(start)s and started_at < %(end)s
) as given
where bodies.started_at = given.started_at
"""


def add_prompts(
    connection: Connection, prompts: Sequence[str | None], *, start: datetime = DAY_START, seed: str = "a"
) -> None:
    """A call a second from `start`, each with its prompt; no other calls may lie between."""
    with connection.transaction():
        add_calls(connection, len(prompts), start=start, seed=seed)
        end = start + timedelta(seconds=len(prompts))
        connection.execute(SET_TEXT, {"texts": list(prompts), "start": start, "end": end})


def templates_by_prompt(connection: Connection) -> dict[str | None, str]:
    """The template id of each prompt; fails where one prompt has two."""
    found = rows(
        connection,
        "select distinct bodies.input_text, assignments.template_id::text"
        " from evaluation.prompt_assignments as assignments"
        " inner join raw.llm_bodies as bodies using (started_at, call_id)",
    )
    by_prompt = dict(found)
    assert len(by_prompt) == len(found)
    return by_prompt
