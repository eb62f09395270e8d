"""Golden sets: conversations and answers that never change, so that what changes about them is the judge."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, LiteralString
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.items import JudgeItem, Message
from ingest.importers.lines import split_lines
from ingest.importers.sources import read_chunks
from ingest.landing.content import decompress
from ingest.uuid7 import uuid7_time
from orchestration.judging.conversation import conversation_of

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
LONGEST_LINE = 8 << 20

CALL: LiteralString = """
select calls.requested_model, calls.served_model, calls.body_state, bodies.request, bodies.input_text,
    bodies.output_text
from raw.llm_calls as calls
left join raw.llm_bodies as bodies
    on bodies.started_at = calls.started_at and bodies.call_id = calls.call_id
where calls.started_at = %s and calls.call_id = %s
"""

# One that was taken out comes back as it was.
ADD: LiteralString = """
insert into evaluation.golden_items as held (golden_set, content_hash, item, expected, call_id)
values (%s, %s, %s, %s, %s)
on conflict (golden_set, content_hash) do update set removed_at = null
where held.removed_at is not null
"""

LIST: LiteralString = """
select
    items.golden_set,
    count(*) filter (where items.removed_at is null),
    min(items.added_at),
    (select max(day) from evaluation.golden_scores as scores where scores.golden_set = items.golden_set)
from evaluation.golden_items as items
group by items.golden_set
order by items.golden_set
"""

ITEMS: LiteralString = """
select content_hash, item, expected, call_id, added_at
from evaluation.golden_items
where golden_set = %s and removed_at is null
order by added_at, content_hash
"""

REMOVE: LiteralString = """
update evaluation.golden_items set removed_at = now()
where golden_set = %s and removed_at is null
    and (%s::text is null or encode(content_hash, 'hex') like %s || '%%')
"""


class GoldenError(ValueError):
    """A golden set cannot be what was asked for; the message is one line."""


class _Turn(msgspec.Struct, forbid_unknown_fields=True):
    role: str
    text: str


class _Given(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A line of a file: `prompt` is one user message, `conversation` all turns before the answer."""

    answer: Annotated[str, msgspec.Meta(min_length=1)]
    prompt: str | None = None
    conversation: list[_Turn] | None = None
    context: str | None = None
    reference: str | None = None
    models: list[str] = msgspec.field(default_factory=list[str])
    expected: float | None = None


_decoder = msgspec.json.Decoder(_Given)


@dataclass(frozen=True, slots=True)
class GoldenItem:
    """One item of a set; `expected` is the grade that people agreed on, if any."""

    item: JudgeItem
    expected: float | None = None
    call_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """A set: its items now, when the first came in, and the last day on which it was judged."""

    name: str
    n_items: int
    since: datetime
    judged_until: object


def add_items(connection: Connection[TupleRow], golden_set: str, items: Iterable[GoldenItem]) -> int:
    """Add items to a set (its first item makes it); the same content again changes nothing.

    Returns how many were new. Raises GoldenError for a name that is none.
    """
    if not NAME.fullmatch(golden_set):
        raise GoldenError("a set's name is lower-case letters, digits, - and _")
    n_new = 0
    with connection.transaction():
        for each in items:
            expected = None if each.expected is None else Decimal(repr(each.expected))
            row = (golden_set, each.item.content_hash, _json(each.item), expected, each.call_id)
            n_new += connection.execute(ADD, row).rowcount
    return n_new


def items_of_calls(connection: Connection[TupleRow], call_ids: Sequence[str]) -> list[GoldenItem]:
    """Copies of landed calls. Raises GoldenError for one that is not there or whose text was not kept."""
    return [_of_call(connection, text) for text in call_ids]


def items_of_file(path: Path) -> Iterator[GoldenItem]:
    """The items of a JSON Lines file. Raises GoldenError that names the first bad line; SourceError."""
    chunks = read_chunks(path, on_read=lambda _: None)
    for line in split_lines(chunks, longest=LONGEST_LINE):
        if line.size > LONGEST_LINE:
            raise GoldenError(f"line {line.number}: {line.size:,} bytes are too long")
        if line.data.strip():
            yield _of_line(line.number, line.data)


def list_sets(connection: Connection[TupleRow]) -> list[GoldenSet]:
    """The sets by name."""
    with connection.transaction():
        return [GoldenSet(*row) for row in connection.execute(LIST)]


def read_items(connection: Connection[TupleRow], golden_set: str) -> list[GoldenItem]:
    """The items that are in the set now, oldest first."""
    with connection.transaction():
        rows = connection.execute(ITEMS, (golden_set,)).fetchall()
    return [_stored(*row) for row in rows]


def remove_items(connection: Connection[TupleRow], golden_set: str, *, starting: str | None = None) -> int:
    """Take items out by the first hex digits of their content hash, or all; their scores stay."""
    if starting is not None and not re.fullmatch(r"[0-9a-f]{6,64}", starting):
        raise GoldenError("an item is named by six or more hex digits (`lqo golden list SET`)")
    with connection.transaction():
        return connection.execute(REMOVE, (golden_set, starting, starting)).rowcount


def _of_call(connection: Connection[TupleRow], text: str) -> GoldenItem:
    try:
        call_id = UUID(text)
    except ValueError:
        raise GoldenError(f"{text!r:.80} is no id of a call") from None
    with connection.transaction():
        row = connection.execute(CALL, (uuid7_time(call_id), call_id)).fetchone()
    if row is None:
        raise GoldenError(f"no call {call_id} has landed")
    requested, served, body_state, request, input_text, output_text = row
    if not output_text:
        raise GoldenError(f"call {call_id} has no text to judge (its bodies are {body_state!r})")
    item = JudgeItem(
        call_id=str(call_id),
        started_at=uuid7_time(call_id) or datetime.now(UTC),
        conversation=conversation_of(None if request is None else decompress(request), input_text=input_text),
        answer=output_text,
        models=tuple(name for name in (requested, served) if name),
        body_state=body_state,
    )
    return GoldenItem(item, call_id=call_id)


def _of_line(number: int, data: bytes) -> GoldenItem:
    try:
        given = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GoldenError(f"line {number}: {' '.join(str(error).split())}") from None
    if (given.prompt is None) == (given.conversation is None):
        raise GoldenError(f"line {number}: give either prompt or conversation")
    turns = [Message(turn.role, turn.text) for turn in given.conversation or ()]
    item = JudgeItem(
        call_id="",
        started_at=datetime.now(UTC),
        conversation=tuple(turns) if given.prompt is None else (Message("user", given.prompt),),
        answer=given.answer,
        context=given.context,
        reference=given.reference,
        models=tuple(given.models),
    )
    return GoldenItem(item, expected=given.expected)


def _json(item: JudgeItem) -> str:
    return json.dumps(
        {
            "conversation": [[turn.role, turn.text] for turn in item.conversation],
            "answer": item.answer,
            "context": item.context,
            "reference": item.reference,
            "models": list(item.models),
            "body_state": item.body_state,
        }
    )


def _stored(
    content_hash: bytes, item: dict[str, object], expected: Decimal | None, call_id: UUID | None, at: datetime
) -> GoldenItem:
    held = msgspec.convert(item, _Stored)
    shown = JudgeItem(
        call_id=str(call_id) if call_id else content_hash.hex()[:32],
        started_at=at,
        conversation=tuple(Message(role, text) for role, text in held.conversation),
        answer=held.answer,
        context=held.context,
        reference=held.reference,
        models=tuple(held.models),
        body_state=held.body_state,
    )
    return GoldenItem(shown, None if expected is None else float(expected), call_id)


class _Stored(msgspec.Struct):
    conversation: list[tuple[str, str]]
    answer: str
    context: str | None
    reference: str | None
    models: list[str]
    body_state: str
