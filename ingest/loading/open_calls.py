"""Calls that have no END yet: their records wait in Postgres, so that their segments need not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.call import Call
from ingest.loading.assembly import assemble
from ingest.spool.records import CallRecord, End, Part, Start, decode_record, encode_record, kind_of

_KEEP = """
insert into ingest.open_calls (call_id, kind, number, spool_id, owner, payload)
select call_id, kind, number, %b::uuid, %b, payload
from unnest(%b::uuid[], %b::text[], %b::integer[], %b::bytea[]) as given (call_id, kind, number, payload)
on conflict do nothing
"""
_FIND = "select payload from ingest.open_calls where call_id = any (%b)"
_GONE = "select payload from ingest.open_calls where spool_id = %s and owner <> all (%s)"
_FORGET = "delete from ingest.open_calls where call_id = any (%b)"


@dataclass(slots=True)
class Trail:
    """The records of one call, as far as they have come."""

    start: Start | None = None
    parts: dict[int, Part] = field(default_factory=dict)
    end: End | None = None

    def add(self, record: CallRecord) -> None:
        if isinstance(record, Start):
            self.start = record
        elif isinstance(record, Part):
            self.parts[record.number] = record
        else:
            self.end = record

    def call(self) -> Call | None:
        """The call these records tell of; None without a START."""
        if self.start is None:
            return None
        return assemble(self.start, parts=[*self.parts.values()], end=self.end)

    def records(self) -> Iterable[Start | Part]:
        return (*([self.start] if self.start else []), *self.parts.values())


def keep_open(
    connection: Connection[TupleRow], records: Iterable[Start | Part], *, spool_id: UUID, owner: str
) -> None:
    """Keep records of calls that go on; `owner` is the epoch of the proxy that has them open."""
    kept = [*records]
    if not kept:
        return
    columns = (
        spool_id,
        owner,
        [record.call_id for record in kept],
        [kind_of(record) for record in kept],
        [record.number if isinstance(record, Part) else 0 for record in kept],
        [encode_record(record) for record in kept],
    )
    connection.execute(_KEEP, columns)


def find_open(connection: Connection[TupleRow], call_ids: Iterable[UUID]) -> Mapping[UUID, Trail]:
    """The trails of these calls, where anything of them is kept."""
    wanted = [*call_ids]
    return _trails(connection.execute(_FIND, (wanted,), binary=True).fetchall()) if wanted else {}


def find_gone(
    connection: Connection[TupleRow], *, spool_id: UUID, alive: Iterable[str]
) -> Mapping[UUID, Trail]:
    """The trails of calls whose proxy is none of the epochs `alive`: no END of theirs will come."""
    return _trails(connection.execute(_GONE, (spool_id, [*alive]), binary=True).fetchall())


def forget(connection: Connection[TupleRow], call_ids: Iterable[UUID]) -> None:
    """These calls are over."""
    over = [*call_ids]
    if over:
        connection.execute(_FORGET, (over,))


def _trails(rows: Iterable[TupleRow]) -> dict[UUID, Trail]:
    trails: dict[UUID, Trail] = {}
    for (payload,) in rows:
        record = decode_record(payload)
        if isinstance(record, CallRecord):
            trails.setdefault(record.call_id, Trail()).add(record)
    return trails
