"""With `ALERTMANAGER_URL` set, Alertmanager is the one channel: it groups, routes, silences and repeats."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from orchestration.alerts.alertmanager.alerts import postable
from orchestration.alerts.delivery.channel import Limits, Parcel, Reply
from orchestration.alerts.delivery.http import post
from orchestration.alerts.message import AlertMessage

NAME = "alertmanager"
PATH = "/api/v2/alerts"


def alertmanager_channel(environ: Mapping[str, str]) -> "AlertmanagerChannel | None":
    """The channel to `ALERTMANAGER_URL` (with its path prefix, if it has one); None without."""
    url = environ.get("ALERTMANAGER_URL", "").strip().rstrip("/")
    return AlertmanagerChannel(url) if url else None


@dataclass(frozen=True, slots=True)
class AlertmanagerChannel:
    """Posts alerts, many in one request. Alertmanager knows one that it has by its labels."""

    url: str = field(repr=False)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    name: str = NAME
    limits: Limits = field(default_factory=lambda: Limits(digest_above=1))

    def deliver(self, parcel: Parcel) -> Reply:
        """Post what the parcel holds. A report is no alert, and has no place there."""
        if not parcel.messages:
            return Reply(0, "Alertmanager takes alerts alone, no ready-made message", is_final=True)
        return self.post_alerts(parcel.messages)

    def post_alerts(self, messages: Sequence[AlertMessage]) -> Reply:
        """Post these as they are now; again changes nothing but how long they last."""
        now = self.clock()
        # In order: of one alert, the later transition is the truth.
        alerts = [postable(each, now=now) for each in sorted(messages, key=lambda each: each.happened_at)]
        newest = {json.dumps(alert["labels"], sort_keys=True): alert for alert in alerts}
        body = json.dumps([*newest.values()]).encode()
        # Plain HTTP, as it has no other in its own network; nothing secret is in an alert of ours.
        return post(f"{self.url}{PATH}", body=body, headers={}, allow_http=True)
