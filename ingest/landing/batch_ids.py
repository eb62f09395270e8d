"""Each id once within a batch: what the primary keys do between batches."""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from ingest.call import Call
from ingest.landing.result import Problem
from ingest.uuid7 import milliseconds


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A valid call of the batch; `index` is its place in what was given."""

    index: int
    call: Call
    content_hash: bytes


class BatchIds:
    """The calls of one batch by id. `repeated` counts calls that say what another one here says."""

    def __init__(self) -> None:
        self.repeated = 0
        # By integers: a UUID is hashed in Python, several times for each call.
        self._by_call: dict[int, Kept] = {}
        self._by_external: dict[tuple[str, str], Kept] = {}
        self._foreign: set[int] = set()

    def keep(self, new: Kept) -> Problem | None:
        """Keep a call whose id is new or that completes an interrupted one; say why another cannot be."""
        call, number = new.call, new.call.call_id.int
        if number in self._foreign:
            return conflict(f"call_id {call.call_id} comes with two times")
        known = self._by_call.get(number)
        if known is not None:
            return self._meet(known, new)
        if call.external_id is not None:
            problem, is_known = self._external(call.external_id, new)
            if problem or is_known:
                return problem
        self._by_call[number] = new
        return None

    def kept(self) -> Iterable[tuple[int, Kept]]:
        """What is kept, with the number of its `call_id`."""
        return self._by_call.items()

    def _meet(self, known: Kept, new: Kept) -> Problem | None:
        completes = known.call.status == "interrupted" != new.call.status
        if completes:
            self._by_call[new.call.call_id.int] = new
        elif known.content_hash != new.content_hash and new.call.status != "interrupted":
            return conflict(f"call_id {new.call.call_id} comes with two contents")
        self.repeated += 1
        return None

    def _external(self, external_id: str, new: Kept) -> tuple[Problem | None, bool]:
        foreign = foreign_v7(external_id, unless=new.call.call_id)
        if foreign is not None and foreign.int in self._by_call:
            return conflict(f"id {external_id} comes with two times"), False
        known = self._by_external.setdefault((new.call.source, external_id), new)
        if known is new:
            if foreign is not None:
                self._foreign.add(foreign.int)
            return None, False
        if not _is_same(known, new):
            return conflict(f"id {external_id[:100]!r} comes with two times or contents"), False
        self.repeated += 1
        return None, True


def conflict(detail: str) -> Problem:
    return Problem("conflicting_duplicate", detail)


def foreign_v7(external_id: str | None, *, unless: UUID) -> UUID | None:
    """The v7 UUID that an external id is, if it is one and not `unless`, the call's own.

    Some other landing may have it as its `call_id`, with another time.
    """
    if external_id is None or len(external_id) not in (32, 36):
        return None
    try:
        value = UUID(external_id)
    except ValueError:
        return None
    return value if value.version == 7 and value != unless else None


def _is_same(known: Kept, new: Kept) -> bool:
    times = milliseconds(known.call.started_at), milliseconds(new.call.started_at)
    return times[0] == times[1] and known.content_hash == new.content_hash
