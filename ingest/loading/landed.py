"""What the warehouse already knows of a call whose END comes without its START."""

from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow, dict_row

from ingest.landing.content import decompress
from ingest.loading.open_calls import Trail
from ingest.spool.records import Part, Start
from ingest.uuid7 import milliseconds

_LANDED = """
select calls.*, calls.tags::text as tags_text, bodies.request, bodies.response
from raw.llm_calls as calls
left join raw.llm_bodies as bodies
    on bodies.started_at = calls.started_at and bodies.call_id = calls.call_id
where calls.started_at = ingest.uuid7_time(%(call_id)s) and calls.call_id = %(call_id)s
"""
_OBSERVED = ("project", "environment", "user_id", "session_id", "trace_id", "prompt_name", "prompt_version")


def is_landed(connection: Connection[TupleRow], call_id: UUID) -> bool:
    """Whether the call is a row, whole or interrupted."""
    return _row(connection, call_id) is not None


def interrupted_trail(connection: Connection[TupleRow], call_id: UUID) -> Trail | None:
    """The trail of a call that landed as `interrupted`, from its row: a late END completes it.

    That happens when a loader took the proxy for gone, as one that adopts the copy of a living spool does.
    """
    row = _row(connection, call_id)
    if row is None or row["status"] != "interrupted":
        return None
    observer = {name: row[name] for name in _OBSERVED if row[name] is not None}
    start = Start(
        call_id=call_id,
        started_at_ns=milliseconds(row["started_at"]) * 1_000_000,
        endpoint=row["endpoint"],
        provider=row["provider"],
        requested_model=row["requested_model"],
        is_streamed=row["is_streamed"],
        key_id=row["key_id"],
        observer={**observer, "tags": row["tags_text"]},
        purpose=row["purpose"],
        request=decompress(row["request"]) if row["request"] else b"",
    )
    received = decompress(row["response"]) if row["response"] else b""
    return Trail(start=start, parts={0: Part(call_id=call_id, number=0, response=received)})


def _row(connection: Connection[TupleRow], call_id: UUID) -> dict[str, Any] | None:
    if call_id.version != 7:
        return None
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_LANDED, {"call_id": call_id}).fetchone()
