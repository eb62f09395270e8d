"""What cannot land is kept, with its reason, once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.call import Call
from ingest.landing.text import repair

LONGEST_RECORD = 1 << 20

_INSERT = """
insert into raw.dead_letters (digest, source, origin, position, reason, detail, record, load_id)
select * from unnest(
    %s::bytea[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::uuid[]
)
order by 1
on conflict (digest) do nothing
"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that was refused. `position` says where in `origin` it stands, such as a line number."""

    source: str
    origin: str
    position: str
    reason: str
    detail: str
    record: bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 over source, reason and record: the same input refused again leaves no second row."""
        return sha256(b"\0".join((self.source.encode(), self.reason.encode(), self.record))).digest()


def bury(connection: Connection[TupleRow], letters: Sequence[DeadLetter], *, load_id: UUID) -> int:
    """Insert the letters that are not there yet, in the caller's transaction; returns how many are new.

    A record over 1 MB keeps its first megabyte; its digest covers all of it.
    """
    if not letters:
        return 0
    unique = [*{letter.digest: letter for letter in letters}.items()]
    columns = (
        [digest for digest, _ in unique],
        [letter.source for _, letter in unique],
        [repair(letter.origin) for _, letter in unique],
        [letter.position for _, letter in unique],
        [letter.reason for _, letter in unique],
        [repair(letter.detail[:500]) for _, letter in unique],
        [letter.record[:LONGEST_RECORD] for _, letter in unique],
        [load_id] * len(unique),
    )
    return connection.execute(_INSERT, columns).rowcount


def call_record(call: Call) -> bytes:
    """The call as one line of canonical JSONL, its bodies as base64: what a dead letter keeps of it."""
    try:
        return msgspec.json.encode(call)
    except (UnicodeEncodeError, RecursionError):
        return json.dumps(msgspec.to_builtins(call), default=str).encode()
