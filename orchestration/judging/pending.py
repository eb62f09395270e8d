"""Calls that wait for a judge, read in pages by key: memory is that of one page, however many are pending."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import LiteralString
from uuid import UUID

import zstandard
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.items import JudgeItem
from ingest.landing.content import decompress
from orchestration.judging.conversation import conversation_of
from orchestration.windows import Window

NO_CALL = UUID(int=0)
PAGE_CALLS = 200
# A page of calls of 2 KB is full by number, one of calls of a megabyte by size.
PAGE_BYTES = 16 * 2**20
FETCH_ROWS = 20

_PENDING: LiteralString = """
from evaluation.judge_selections as selections
inner join raw.llm_calls as calls
    on calls.started_at = selections.started_at
    and calls.call_id = selections.call_id
    and calls.started_at >= %(start)s
    and calls.started_at < %(end)s
left join evaluation.judgements
    on judgements.started_at = selections.started_at
    and judgements.call_id = selections.call_id
    and judgements.evaluator_version_id = %(version)s
    and judgements.started_at >= %(start)s
    and judgements.started_at < %(end)s
where selections.started_at >= %(start)s
    and selections.started_at < %(end)s
    and selections.policy = %(policy)s
    and (selections.started_at, selections.call_id) > (%(start)s, %(after)s)
    and (judgements.call_id is null or judgements.is_retriable)
    -- An interrupted call may still get its END: it is judged once its day is closed.
    and (calls.status <> 'interrupted' or %(is_closed)s)
    -- What a batch is out for is paid for already.
    and not exists (
        select from evaluation.judge_request_calls as asked
        where asked.started_at = selections.started_at
            and asked.call_id = selections.call_id
            and asked.evaluator_version_id = %(version)s
    )
"""

PAGE: LiteralString = f"""
select
    calls.started_at,
    calls.call_id,
    calls.requested_model,
    calls.served_model,
    calls.body_state,
    bodies.request,
    bodies.input_text,
    bodies.output_text,
    selections.probability,
    coalesce(judgements.attempts, 0)
{
    _PENDING.replace(
        "where selections",
        '''left join raw.llm_bodies as bodies
    on bodies.started_at = calls.started_at
    and bodies.call_id = calls.call_id
    and bodies.started_at >= %(start)s
    and bodies.started_at < %(end)s
where selections''',
        1,
    )
}
order by selections.started_at, selections.call_id
limit %(limit)s
"""

COUNT: LiteralString = f"select count(*) {_PENDING}"

# The stretch of keys that a statement without bodies works on.
STRETCH: LiteralString = f"""
select selections.started_at, selections.call_id
{_PENDING}
order by selections.started_at, selections.call_id
limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Pending:
    """A call that a judge is to be asked about: how likely it was selected, and how often that was tried."""

    item: JudgeItem
    probability: float
    tries: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Which calls: those that `policy` selected in the window and `version` (an id) has not settled."""

    policy: str
    version: int
    window: Window
    is_closed: bool


def count_pending(connection: Connection[TupleRow], waiting: Waiting) -> int:
    """How many calls wait."""
    with connection.transaction():
        row = connection.execute(COUNT, _given(waiting, (waiting.window.start, NO_CALL))).fetchone()
    return row[0] if row else 0


def read_page(
    connection: Connection[TupleRow],
    waiting: Waiting,
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int = PAGE_CALLS,
) -> list[Pending]:
    """The next calls by key after the given one; an empty page is the end."""
    rows: list[TupleRow] = []
    n_bytes = 0
    given = _given(waiting, after or (waiting.window.start, NO_CALL)) | {"limit": limit}
    with connection.transaction(), connection.cursor("pending", scrollable=False) as cursor:
        cursor.execute(PAGE, given, binary=True)
        while n_bytes < PAGE_BYTES and (block := cursor.fetchmany(FETCH_ROWS)):
            rows.extend(block)
            n_bytes += sum(len(value) for row in block for value in row if isinstance(value, str | bytes))
    return [_pending(row) for row in rows]


def key_of(page: Sequence[Pending]) -> tuple[datetime, UUID]:
    """The last key of a page."""
    last = page[-1].item
    return last.started_at, UUID(last.call_id)


def stretches(
    connection: Connection[TupleRow], waiting: Waiting, *, limit: int
) -> Iterator[list[tuple[datetime, UUID]]]:
    """The keys that wait, `limit` at a time; the caller may settle each lot before it asks for the next."""
    after = (waiting.window.start, NO_CALL)
    while True:
        with connection.transaction():
            rows = connection.execute(STRETCH, _given(waiting, after) | {"limit": limit}).fetchall()
        if not rows:
            return
        keys = [(started_at, call_id) for started_at, call_id in rows]
        yield keys
        after = keys[-1]


def _given(waiting: Waiting, after: tuple[datetime, UUID]) -> dict[str, object]:
    return {
        "start": after[0],
        "after": after[1],
        "end": waiting.window.end,
        "policy": waiting.policy,
        "version": waiting.version,
        "is_closed": waiting.is_closed,
    }


def _pending(row: TupleRow) -> Pending:
    (
        started_at,
        call_id,
        requested_model,
        served_model,
        body_state,
        request,
        input_text,
        output_text,
        probability,
        tries,
    ) = row
    item = item_of(
        call_id,
        started_at,
        models=(requested_model, served_model),
        body_state=body_state,
        request=request,
        input_text=input_text,
        output_text=output_text,
    )
    return Pending(item, probability, tries)


def item_of(
    call_id: UUID,
    started_at: datetime,
    *,
    models: tuple[str | None, ...],
    body_state: str,
    request: bytes | None,
    input_text: str | None,
    output_text: str | None,
) -> JudgeItem:
    """A stored call as a judge sees it: the one way from rows to what is hashed and shown."""
    return JudgeItem(
        call_id=str(call_id),
        started_at=started_at.astimezone(UTC),
        conversation=conversation_of(_body(request), input_text=input_text),
        answer=output_text or "",
        models=tuple(name for name in models if name),
        body_state=body_state,
    )


def _body(stored: bytes | None) -> bytes | None:
    """The request's bytes; one that does not decompress is as good as not kept."""
    try:
        return None if stored is None else decompress(stored)
    except zstandard.ZstdError:
        return None
