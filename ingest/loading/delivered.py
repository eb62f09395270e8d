"""Calls and opinions that were handed in, read back from the spool."""

from datetime import datetime

from ingest.call import Call
from ingest.importers.delivered import Sender, read_delivered
from ingest.landing.dead_letters import DeadLetter
from ingest.landing.result import Problem
from ingest.spool.records import Delivery


def read_delivery(
    delivery: Delivery, *, origin: str, place: str, earliest: datetime, latest: datetime
) -> tuple[list[Call], list[DeadLetter]]:
    """The calls of a delivery. What does not read here, though it did at the door, is kept as a letter."""
    sender = Sender(
        source=delivery.source,
        project=delivery.project,
        environment=delivery.environment,
        key_id=delivery.key_id,
    )
    calls: list[Call] = []
    letters: list[DeadLetter] = []
    for number, line in enumerate(delivery.lines, start=1):
        call = read_delivered(line, sender=sender, earliest=earliest, latest=latest)
        if isinstance(call, Problem):
            where = f"{place} line {number}"
            letters.append(DeadLetter(delivery.source, origin, where, call.reason, call.detail, line))
        else:
            calls.append(call)
    return calls, letters
