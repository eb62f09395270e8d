"""`POST /alerts/alertmanager`: what Alertmanager tells people comes back as history."""

import hmac
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, post
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException, ServiceUnavailableException
from litestar.params import JSONBody

from ingest.access.secrets import Secret, read_secret
from reports.alert_history import Notice, record
from reports.api.alerting_writer import AlertingWriter
from reports.api.problems import PROBLEMS


class Alert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An alert of Alertmanager's webhook (version 4)."""

    status: str
    fingerprint: str
    starts_at: datetime
    ends_at: datetime
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """The body of the webhook; what else it says of the group is not needed."""

    alerts: list[Alert]


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """How many events are new; the others were known."""

    n_alerts: int
    n_recorded: int


@post(
    "/alerts/alertmanager",
    summary="Alertmanager's webhook (version 4): alerts that it tells of are recorded, once each.",
    opt={"exclude_from_auth": True},
    status_code=200,
    responses=PROBLEMS,
)
async def alertmanager_webhook(*, request: Request[Any, Any, State], data: JSONBody[Webhook]) -> Recorded:
    """Asks for the token of `LQO_ALERTMANAGER_TOKEN` as a bearer, and for no key."""
    _check_token(request)
    notices = notices_of(data)
    writer = AlertingWriter.of(request)
    n_recorded = await writer.run(lambda connection: record(connection, notices))
    return Recorded(n_alerts=len(data.alerts), n_recorded=n_recorded)


def notices_of(webhook: Webhook) -> list[Notice]:
    """What is recorded of a webhook."""
    return [
        Notice(
            fingerprint=each.fingerprint,
            is_firing=each.status == "firing",
            starts_at=each.starts_at,
            ends_at=each.ends_at,
            labels=each.labels,
            annotations=each.annotations,
        )
        for each in webhook.alerts
    ]


def _check_token(request: Request[Any, Any, State]) -> None:
    """Read anew each time, so that a changed secret is in force at once."""
    reference: str | None = request.app.state.webhook_token
    secret = read_secret(reference) if reference else None
    if not isinstance(secret, Secret):
        raise ServiceUnavailableException(
            "LQO_ALERTMANAGER_TOKEN gives no token"
            + (f": {secret.reason}" if secret else " (env:NAME or file:/path)")
        )
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    is_right = hmac.compare_digest(given.strip().encode(), secret.value.encode())
    if scheme.lower() != "bearer" or not is_right:
        raise NotAuthorizedException(
            "this needs the token of LQO_ALERTMANAGER_TOKEN as a bearer",
            headers={"WWW-Authenticate": "Bearer"},
        )
