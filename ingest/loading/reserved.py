"""The reservation of a call, read from what its START and END say of budgets."""

from ingest.landing.reservations import Reservation
from ingest.limits.journal import amounts_said
from ingest.limits.ledger import usd
from ingest.loading.open_calls import Trail
from ingest.spool.records import Start


def held_by(start: Start) -> Reservation | None:
    """What a running call holds; None where no budget stands over it."""
    reserved = amounts_said(start.reserved)
    if not reserved:
        return None
    return Reservation(start.call_id, tuple(reserved), usd(max(reserved.values())))


def ended_by(trail: Trail) -> Reservation | None:
    """What a call that is over has spent. Without an END, or one that says it, that is what it reserved:
    the ledger counts so after a kill (`ingest.limits.journal`)."""
    start, end = trail.start, trail.end
    held = None if start is None else held_by(start)
    spent = {} if end is None else amounts_said(end.spent)
    if end is not None and spent:
        reserved = None if held is None else held.reserved_usd
        return Reservation(end.call_id, tuple(spent), reserved, usd(max(spent.values())))
    if held is None:
        return None
    return Reservation(held.call_id, held.accounts, held.reserved_usd, held.reserved_usd, is_presumed=True)
