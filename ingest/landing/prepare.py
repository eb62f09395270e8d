"""Calls made ready for COPY: checked, hashed, rendered, each id once, sorted by key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec

from ingest.call import Call
from ingest.landing.batch_ids import BatchIds, Kept
from ingest.landing.content import content_hash
from ingest.landing.render import Rendered, UnholdableError, render
from ingest.landing.repair import clip_names, repair_call
from ingest.landing.result import Reject
from ingest.landing.validate import problem_of
from ingest.uuid7 import EPOCH

PREVIEW_CHARACTERS = 120


class Row(msgspec.Struct, frozen=True, gc=False):
    """One call, rendered but for its bodies; `index` is its place in what was given."""

    index: int
    call: Call
    content_hash: bytes
    fields: Rendered


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch that only has to be sent: rows sorted by key, the months they need, what is settled already."""

    rows: tuple[Row, ...]
    months: tuple[date, ...]
    already_there: int
    rejected: tuple[Reject, ...]


def prepare(calls: Sequence[Call], *, load_id: UUID, earliest: datetime, latest: datetime) -> Prepared:
    """Check, hash and render `calls`; those that start outside [earliest, latest) are refused."""
    ids, rejected = BatchIds(), list[Reject]()
    for index, call in enumerate(calls):
        problem = problem_of(call, earliest=earliest, latest=latest)
        problem = problem or ids.keep(Kept(index, call, content_hash(call)))
        if problem is not None:
            rejected.append(Reject(index, problem.reason, problem.detail))
    # call_id begins with started_at, so this is the order of the primary key: two landings at once then
    # wait for one another in turn instead of in a circle.
    kept = [each for _, each in sorted(ids.kept())]
    rows = list[Row]()
    for each in kept:
        row = _render(each, load_id=load_id)
        rejected.append(row) if isinstance(row, Reject) else rows.append(row)
    return Prepared(
        rows=tuple(rows),
        months=_months(each.call.call_id for each in kept),
        already_there=ids.repeated,
        rejected=tuple(rejected),
    )


def _render(kept: Kept, *, load_id: UUID) -> Row | Reject:
    call = kept.call
    previews = _preview(call.input_text), _preview(call.output_text)
    try:
        try:
            fields = render(call, content_hash=kept.content_hash, load_id=load_id, previews=previews)
        except UnholdableError:
            call, previews = repair_call(clip_names(call), previews=previews)
            fields = render(call, content_hash=kept.content_hash, load_id=load_id, previews=previews)
    except (UnholdableError, RecursionError):
        return Reject(kept.index, "bad_field", "tags, usage or attempts cannot be written as JSON")
    return Row(kept.index, call, kept.content_hash, fields)


def _preview(text: str | None) -> str | None:
    return None if text is None else text[:PREVIEW_CHARACTERS]


def _months(call_ids: Iterable[UUID]) -> tuple[date, ...]:
    days = {(call_id.int >> 80) // 86_400_000 for call_id in call_ids}
    return tuple(sorted({(EPOCH + timedelta(days=day)).date().replace(day=1) for day in days}))
