"""What budgets lost to calls becomes rows, once; a call's end changes its row, and nothing else does."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.uuid7 import EPOCH

# A presumed end (nobody saw one) gives way to a real one; what is read again changes nothing.
_LAND = """
with given as (
    select call_id, ingest.uuid7_time(call_id) as started_at, accounts, reserved_usd, spent_usd, is_presumed
    from unnest(%s::uuid[], %s::text[], %s::numeric[], %s::numeric[], %s::boolean[])
        as given (call_id, accounts, reserved_usd, spent_usd, is_presumed)
),
written as (
    insert into raw.reservations as known (
        started_at, call_id, accounts, reserved_usd, spent_usd, is_presumed, spool_id
    )
    select started_at, call_id, string_to_array(accounts, ' '), reserved_usd, spent_usd, is_presumed, %s::uuid
    from given
    order by started_at, call_id
    on conflict (started_at, call_id) do update
    set reserved_usd = coalesce(known.reserved_usd, excluded.reserved_usd),
        spent_usd = excluded.spent_usd,
        is_presumed = excluded.is_presumed
    where excluded.spent_usd is not null
        and (known.spent_usd is null or (known.is_presumed and not excluded.is_presumed))
    returning started_at, spent_usd
)
insert into raw.dirty_hours (hour, stage)
select distinct date_trunc('hour', started_at, 'UTC'), 'calls' from written where spent_usd is not null
"""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one call took out of each of `accounts` (USD). `spent_usd` is None while it runs; `is_presumed`:
    as much as was reserved, because nobody saw its end. `reserved_usd` is None where its START was lost."""

    call_id: UUID
    accounts: tuple[str, ...]
    reserved_usd: Decimal | None
    spent_usd: Decimal | None = None
    is_presumed: bool = False

    @property
    def month(self) -> date:
        """The first day of the partition it lands in."""
        return datetime.fromtimestamp((self.call_id.int >> 80) / 1000, UTC).date().replace(day=1)


def in_range(given: Collection[Reservation], *, earliest: datetime, latest: datetime) -> list[Reservation]:
    """Those whose call may land: of another time there is no partition, and their call is a dead letter."""
    bounds = [(bound - EPOCH).total_seconds() * 1000 for bound in (earliest, latest)]
    return [each for each in given if bounds[0] <= each.call_id.int >> 80 < bounds[1]]


def land_reservations(
    connection: Connection[TupleRow], given: Collection[Reservation], *, spool_id: UUID
) -> None:
    """Write them in the caller's transaction, each call once, and mark the hours of what is spent."""
    if not given:
        return
    columns = (
        [each.call_id for each in given],
        [" ".join(each.accounts) for each in given],
        [each.reserved_usd for each in given],
        [each.spent_usd for each in given],
        [each.is_presumed for each in given],
        spool_id,
    )
    connection.execute(_LAND, columns)
