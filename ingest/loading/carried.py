"""Calls that are open between two batches of a segment: most get their END in the next one."""

from ingest.loading.open_calls import Trail
from ingest.spool.lean import body_size
from ingest.spool.records import Part, Start

_MOST_CALLS = 20_000
_MOST_BYTES = 64 << 20


class Carried:
    """Trails by call id, in memory. A checkpoint must stay before the first record of each.

    To keep them in the warehouse at every batch would cost more than to land them.
    """

    def __init__(self) -> None:
        self._trails: dict[bytes, Trail] = {}
        self._since: dict[bytes, int] = {}
        self._size = 0

    def add(self, call_id: bytes, record: Start | Part, *, seq: int) -> None:
        """Take the record at `seq` in."""
        trail = self._trails.get(call_id)
        if trail is None:
            trail = self._trails[call_id] = Trail()
            self._since[call_id] = seq
        trail.add(record)
        self._size += body_size(record)

    def take(self, call_id: bytes) -> Trail:
        """What is known of a call that is over; an empty trail if that is nothing."""
        self._since.pop(call_id, None)
        trail = self._trails.pop(call_id, None)
        if trail is None:
            return Trail()
        self._size -= sum(map(body_size, trail.records()))
        return trail

    def release(self) -> list[Start | Part]:
        """All records, which the caller keeps from now on."""
        records = [record for trail in self._trails.values() for record in trail.records()]
        self._trails.clear()
        self._since.clear()
        self._size = 0
        return records

    @property
    def is_full(self) -> bool:
        return len(self._trails) > _MOST_CALLS or self._size > _MOST_BYTES

    def checkpoint(self, reached: int) -> int:
        """The last seq behind which nothing is needed any more, when all up to `reached` is read."""
        # Dicts keep their order, so the first is the oldest.
        return next(iter(self._since.values()), reached + 1) - 1
