"""Datasets out of recorded calls: prompts with the answers they were given, or whole sessions.

The sample is by a hash of the id, over whole UTC days: the same command gives the same sample all day long.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import LiteralString

import zstandard
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.items import Message
from ingest.landing.content import decompress
from orchestration.comparison.datasets import DatasetError
from orchestration.comparison.items import EvalItem
from orchestration.judging.conversation import conversation_of
from orchestration.windows import DAY, Window

MOST_CALLS = 500
"""Of one session: a longer one is a machine's, or an id that everybody shares."""

_ELIGIBLE: LiteralString = """
calls.started_at >= %(start)s
    and calls.started_at < %(end)s
    and calls.purpose in ('product', 'demo')
    and calls.status = 'ok'
    and calls.body_state in ('full', 'text', 'masked')
    and (%(project)s::text is null or calls.project = %(project)s)
    and (%(model)s::text is null or calls.requested_model = %(model)s)
    and not exists (
        select from evaluation.quarantine
        where quarantine.started_at = calls.started_at and quarantine.call_id = calls.call_id
    )
"""
CALLS: LiteralString = f"""
with chosen as materialized (
    select calls.started_at, calls.call_id, calls.requested_model
    from raw.llm_calls as calls
    where {_ELIGIBLE}
    order by md5(calls.call_id::text || '/eval')
    limit %(sample)s
)
select chosen.call_id::text, chosen.requested_model, bodies.request, bodies.input_text, bodies.output_text
from chosen
inner join raw.llm_bodies as bodies
    on bodies.started_at = chosen.started_at
    and bodies.call_id = chosen.call_id
    and bodies.started_at >= %(start)s
    and bodies.started_at < %(end)s
order by chosen.started_at, chosen.call_id
"""
SESSIONS: LiteralString = f"""
with chosen as materialized (
    select calls.session_id
    from raw.llm_calls as calls
    where {_ELIGIBLE} and calls.session_id is not null
    group by calls.session_id
    having count(*) between 2 and %(most)s
    order by md5(calls.session_id || '/eval')
    limit %(sample)s
)
select calls.session_id, calls.requested_model, bodies.request, bodies.input_text, bodies.output_text
from raw.llm_calls as calls
inner join chosen using (session_id)
inner join raw.llm_bodies as bodies
    on bodies.started_at = calls.started_at
    and bodies.call_id = calls.call_id
    and bodies.started_at >= %(start)s
    and bodies.started_at < %(end)s
where {_ELIGIBLE}
order by calls.session_id, calls.started_at, calls.call_id
"""


def recent_days(days: int, *, now: datetime) -> Window:
    """The last whole UTC days before today."""
    end = datetime(now.year, now.month, now.day, tzinfo=UTC)
    return Window(end - days * DAY, end)


def sample_calls(
    connection: Connection[TupleRow],
    window: Window,
    *,
    sample: int,
    project: str | None = None,
    model: str | None = None,
) -> tuple[EvalItem, ...]:
    """Up to `sample` successful product calls of the window that have a text, with their recorded answers.

    Raises DatasetError where there is none.
    """
    rows = _rows(connection, CALLS, window, sample=sample, project=project, model=model)
    found = [call_item(*row) for row in rows]
    items = tuple(item for item in found if item is not None)
    if not items:
        raise DatasetError(f"there is no call with a text from {window.start:%F} to before {window.end:%F}")
    return items


def sample_sessions(
    connection: Connection[TupleRow],
    window: Window,
    *,
    sample: int,
    project: str | None = None,
    model: str | None = None,
) -> tuple[EvalItem, ...]:
    """Up to `sample` sessions of at least two calls in the window, each as one item with its last answer.

    Raises DatasetError where there is none.
    """
    rows = _rows(connection, SESSIONS, window, sample=sample, project=project, model=model)
    sessions: dict[str, list[TupleRow]] = {}
    for row in rows:
        sessions.setdefault(row[0], []).append(row[1:])
    found = [_session_item(session_id, calls) for session_id, calls in sessions.items()]
    items = tuple(item for item in found if item is not None)
    if not items:
        raise DatasetError(
            f"there is no session of two calls from {window.start:%F} to before {window.end:%F}"
        )
    return items


def assemble_session(calls: Sequence[tuple[tuple[Message, ...], str]]) -> tuple[Message, ...]:
    """One conversation out of the calls of a session, oldest first: each its conversation and its answer.

    Clients send what was said before again with each call: what a conversation shares with what is there
    already is not said twice. An answer that no later call repeats is put in at its place.
    """
    told: list[Message] = []
    for conversation, answer in calls:
        told += _news(told, conversation)
        told.append(Message("assistant", answer))
    return tuple(told)


def _news(told: Sequence[Message], conversation: Sequence[Message]) -> list[Message]:
    """What of a conversation comes after its last turn that was told before."""
    known = {_key(turn) for turn in told}
    last = max((at for at, turn in enumerate(conversation) if _key(turn) in known), default=-1)
    tail = list(conversation[last + 1 :])
    # The user may say the same words again ("yes"): a call always has something new to answer.
    return tail or list(conversation[-1:])


def _key(turn: Message) -> tuple[str, str]:
    return ("assistant" if turn.role == "model" else turn.role, turn.text.strip())


def _rows(
    connection: Connection[TupleRow],
    query: LiteralString,
    window: Window,
    *,
    sample: int,
    project: str | None,
    model: str | None,
) -> list[TupleRow]:
    given = {"start": window.start, "end": window.end, "sample": sample, "project": project, "model": model}
    given["most"] = MOST_CALLS
    with connection.transaction(), connection.cursor() as cursor:
        return cursor.execute(query, given, binary=True).fetchall()


def call_item(
    call_id: str, model: str, request: bytes | None, input_text: str | None, output_text: str | None
) -> EvalItem | None:
    """A stored call as an item with its recorded answer; None where no user says anything in it."""
    conversation = conversation_of(read_body(request), input_text=input_text)
    if not any(turn.role == "user" for turn in conversation):
        return None
    return _recorded(call_id, conversation, output_text or "", model=model)


def _session_item(session_id: str, calls: Sequence[TupleRow]) -> EvalItem | None:
    said = [
        (conversation_of(read_body(request), input_text=input_text), output_text or "")
        for _, request, input_text, output_text in calls
    ]
    *turns, last = assemble_session(said)
    if not any(turn.role == "user" for turn in turns):
        return None
    return _recorded(session_id, tuple(turns), last.text, model=calls[-1][0])


def _recorded(item_id: str, conversation: tuple[Message, ...], answer: str, *, model: str) -> EvalItem:
    item = EvalItem(item_id=item_id, opening=conversation, recorded=(answer,), source_model=model)
    return replace(item, cluster=item.prompt_hash.hex()[:16])


def read_body(stored: bytes | None) -> bytes | None:
    """The request's bytes; one that does not decompress is as good as not kept."""
    try:
        return None if stored is None else decompress(stored)
    except zstandard.ZstdError:
        return None
