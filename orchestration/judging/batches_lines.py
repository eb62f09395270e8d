"""Requests as lines of a batch's file, made from the stored calls; the same bytes each time."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.asking import SCHEMA_NAME, request_body
from evaluators.judging.batches import custom_id, request_line
from evaluators.judging.forms import first_step, response_format
from evaluators.judging.items import JudgeItem
from evaluators.judging.protocol import SCHEMA
from orchestration.judging import batches_queries as queries
from orchestration.judging.batches import Request
from orchestration.judging.pending import item_of

if TYPE_CHECKING:
    from evaluators.judging.judge import JudgeSpec

Key = tuple[datetime, UUID]
# Of the largest calls we keep, of a megabyte or two, these are still no weight.
PAGE_CALLS = 50


def form_of(spec: "JudgeSpec", output: str | None) -> str:
    """The form of answer that a request asks for: what a refusal has left of it, else the judge's first."""
    return output or first_step(spec.output)


def body_of(spec: "JudgeSpec", item: JudgeItem, *, output: str | None = None) -> dict[str, Any]:
    """What the direct way would post. Raises ValueError for an item that is too long."""
    form = response_format(form_of(spec, output), name=SCHEMA_NAME, schema=SCHEMA)
    return {**request_body(spec, item), **form}


def line_of(spec: "JudgeSpec", item: JudgeItem, *, version: str, output: str | None = None) -> bytes:
    """The item's line in a batch's file. Raises ValueError for an item that is too long."""
    name = custom_id(item.content_hash, version=version)
    return request_line(name, body=body_of(spec, item, output=output))


def lines_of(
    connection: Connection[TupleRow], requests: Sequence[Request], *, spec: "JudgeSpec", version: str
) -> Iterator[tuple[Request, bytes | None]]:
    """Each request with its line, in their order; None where its call is gone or says something else now."""
    for page in _pages(requests):
        items = read_items(connection, [(each.started_at, each.call_id) for each in page])
        for request in page:
            item = items.get((request.started_at, request.call_id))
            is_same = item is not None and item.content_hash == request.content_hash
            line = line_of(spec, item, version=version, output=request.output) if item and is_same else None
            yield request, line


def read_items(connection: Connection[TupleRow], keys: Sequence[Key]) -> dict[Key, JudgeItem]:
    """The calls of these keys as a judge sees them; those that are not there any more are left out."""
    if not keys:
        return {}
    times = [started_at for started_at, _ in keys]
    given = {"times": times, "ids": [call_id for _, call_id in keys], "first": min(times), "last": max(times)}
    with connection.transaction():
        rows = connection.execute(queries.TEXTS, given).fetchall()
    return {(row[0], row[1]): _item(row) for row in rows}


def _item(row: TupleRow) -> JudgeItem:
    started_at, call_id, requested_model, served_model, body_state, request, input_text, output_text = row
    return item_of(
        call_id,
        started_at,
        models=(requested_model, served_model),
        body_state=body_state,
        request=request,
        input_text=input_text,
        output_text=output_text,
    )


def _pages(requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
    for start in range(0, len(requests), PAGE_CALLS):
        yield requests[start : start + PAGE_CALLS]
