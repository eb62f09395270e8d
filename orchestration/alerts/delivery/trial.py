"""A test message, past the outbox: does this channel take what we send?"""

from datetime import datetime, timedelta
from hashlib import sha256
from uuid import uuid4

from orchestration.alerts.delivery.channel import Parcel
from orchestration.alerts.message import AlertMessage, Link, Point

RULE = "test_message"


def trial_parcel(channel: str, *, now: datetime) -> Parcel:
    """An alert with all that one can have, marked as a test."""
    event_id = uuid4()
    shares = (0.02, 0.03, 0.02, None, 0.03, 0.05, 0.04, 0.09, 0.14, 0.21, 0.27, 0.31)
    points = [Point(now - timedelta(hours=len(shares) - n), value) for n, value in enumerate(shares)]
    message = AlertMessage(
        event_id=event_id,
        fingerprint=sha256(f"{RULE}|{channel}".encode()).hexdigest()[:16],
        rule=RULE,
        group_key="gpt-4o",
        group={"model": "gpt-4o"},
        transition="firing",
        severity="info",
        owner="whoever runs this",
        summary="`lqo alerts test` was run.",
        message=f"A test of the channel {channel}: 31.0% of 412 calls would have failed. Nothing is wrong.",
        happened_at=now,
        since=now - timedelta(minutes=35),
        value=0.31,
        threshold=0.25,
        baseline=0.03,
        n=412,
        unit="share",
        labels={"test": "yes"},
        links=[Link("Documentation", "https://example.com/lqo/channels")],
        points=points,
    )
    return Parcel(str(event_id), (message,), is_test=True)
