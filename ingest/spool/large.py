"""Large bodies on their way to the disk: written by a thread, each call's records kept in order."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from ingest.spool.bodies import write_body
from ingest.spool.lean import body_of, body_size, with_stored
from ingest.spool.records import Record
from ingest.spool.worker import Worker

LARGE_BYTES = 256 << 10
"""A commit of so much takes about half a millisecond on the loop; past it everybody else would wait."""

Written = Record | OSError
"""A record whose body stands in a file now, or why it does not."""


class LargeBodies:
    """Takes records with large bodies, and what follows them of the same call, and gives them back lean."""

    def __init__(self, directory: Path, *, is_synced: bool) -> None:
        self._directory = directory
        self._is_synced = is_synced
        self._worker = Worker("spool-bodies")
        self._behind: Counter[UUID] = Counter()

    def takes(self, record: Record) -> bool:
        # A UUID's hash is Python: nothing is looked up while nothing waits.
        is_behind = bool(self._behind) and record.call_id in self._behind
        return is_behind or body_size(record) > LARGE_BYTES

    def put(self, record: Record, *, then: Callable[[Written], None]) -> None:
        """Write the body and call `then` on the loop, in the order of `put`."""
        self._behind[record.call_id] += 1

        def report(written: Written) -> None:
            self._behind[record.call_id] -= 1
            if not self._behind[record.call_id]:
                del self._behind[record.call_id]
            then(written)

        self._worker.submit(lambda: self._write(record), report)

    def close(self) -> None:
        """Wait for all bodies and report them."""
        self._worker.finish()

    def _write(self, record: Record) -> Written:
        if body_size(record) <= LARGE_BYTES:
            return record
        try:
            stored = write_body(self._directory, body_of(record), is_synced=self._is_synced)
        except OSError as error:
            return error
        return with_stored(record, stored)
