"""The channels themselves: each renders a parcel and hands it to its transport."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import msgspec

from ingest.access.secrets import Missing, Secret, is_reference, read_secret
from ingest.settings import load_settings
from orchestration.alerts.delivery import mail
from orchestration.alerts.delivery.channel import Channel, Limits, Parcel, Reply
from orchestration.alerts.delivery.chart import chart_of
from orchestration.alerts.delivery.discord import CHART, discord_payload
from orchestration.alerts.delivery.http import post
from orchestration.alerts.delivery.letter import alert_mail, ready_mail
from orchestration.alerts.delivery.multipart import multipart
from orchestration.alerts.delivery.plan import EMAIL, SLACK, Plan
from orchestration.alerts.delivery.slack import ChartUrl, slack_payload
from orchestration.alerts.delivery.specs import DiscordSpec, EmailSpec, SlackSpec, Spec, WebhookSpec
from orchestration.alerts.delivery.webhook import signature, webhook_body
from orchestration.alerts.message import AlertMessage
from reports.alerting.links import DEFAULT_SECONDS, chart_links

NO_READY = "this channel carries alerts alone"
NO_LIMITS = Limits()
SLACK_LIMITS = Limits(per_minute=60, digest_above=10)
DISCORD_LIMITS = Limits(per_minute=30, digest_above=10)
# A try of six steps, each of which may wait for ten seconds.
MAIL_LEASE_SECONDS = 120.0
MAIL_LIMITS = Limits(per_minute=20, digest_above=10, lease_seconds=MAIL_LEASE_SECONDS)


class Post(Protocol):
    """How a request leaves: a test hands in its own."""

    def __call__(
        self, url: str, *, body: bytes, headers: Mapping[str, str], allow_http: bool = False
    ) -> Reply: ...


@dataclass(frozen=True, slots=True)
class SlackChannel:
    """Slack's incoming webhook, or whatever takes its messages. `url` is a reference or the address."""

    name: str
    url: str = field(repr=False)
    limits: Limits = SLACK_LIMITS
    allow_http: bool = False
    chart_url: ChartUrl | None = None
    post: Post = field(default=post, repr=False)

    def deliver(self, parcel: Parcel) -> Reply:
        url = _address(self.url)
        if isinstance(url, Missing):
            return Reply(0, url.reason)
        if parcel.ready is not None:
            return self._post(url, parcel.ready, parcel)
        reply = self._post(url, slack_payload(parcel, chart_url=self.chart_url), parcel)
        # Slack refuses all of a message whose picture it cannot fetch: better without than not at all.
        if reply.status == 400 and self.chart_url is not None:
            reply = self._post(url, slack_payload(parcel), parcel)
        return reply

    def _post(self, url: str, payload: Mapping[str, object], parcel: Parcel) -> Reply:
        body = msgspec.json.encode(payload)
        return self.post(url, body=body, headers=parcel.headers, allow_http=self.allow_http)


@dataclass(frozen=True, slots=True)
class DiscordChannel:
    """A Discord webhook; the chart goes along as a file."""

    name: str
    url: str = field(repr=False)
    limits: Limits = DISCORD_LIMITS
    allow_http: bool = False
    post: Post = field(default=post, repr=False)

    def deliver(self, parcel: Parcel) -> Reply:
        url = _address(self.url)
        if isinstance(url, Missing):
            return Reply(0, url.reason)
        if parcel.ready is not None:
            return Reply(0, NO_READY, is_final=True)
        chart = chart_of(parcel.messages[0]) if len(parcel.messages) == 1 else None
        body = msgspec.json.encode(discord_payload(parcel, has_chart=chart is not None))
        headers = parcel.headers
        if chart is not None:
            body, kind = multipart(body, name=CHART, content=chart)
            headers["Content-Type"] = kind
        # With `wait` the answer comes once the message is kept, and says what is wrong with it.
        joint = "&" if "?" in url else "?"
        return self.post(f"{url}{joint}wait=true", body=body, headers=headers, allow_http=self.allow_http)


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """Our JSON, signed where there is a secret."""

    name: str
    url: str = field(repr=False)
    secret: str | None = None
    limits: Limits = NO_LIMITS
    allow_http: bool = False
    post: Post = field(default=post, repr=False)

    def deliver(self, parcel: Parcel) -> Reply:
        url = _address(self.url)
        if isinstance(url, Missing):
            return Reply(0, url.reason)
        if parcel.ready is not None:
            return Reply(0, NO_READY, is_final=True)
        body, headers = webhook_body(parcel), parcel.headers
        if self.secret is not None:
            secret = read_secret(self.secret)
            if isinstance(secret, Missing):
                return Reply(0, secret.reason)
            headers |= signature(secret.value.encode(), body, at=int(time.time()))
        return self.post(url, body=body, headers=headers, allow_http=self.allow_http)


@dataclass(frozen=True, slots=True)
class MailChannel:
    """E-mail. `spec` None: settings of the environment at each try, so that a rotated password holds."""

    name: str
    spec: EmailSpec | None = None
    limits: Limits = MAIL_LIMITS

    def deliver(self, parcel: Parcel) -> Reply:
        try:
            settings = mail.load_mail_settings() if self.spec is None else settings_of(self.spec)
            if settings is None:
                return Reply(0, "LQO_SMTP_HOST is not set")
            if parcel.ready is not None:
                message = ready_mail(parcel, settings=settings)
            else:
                chart = chart_of(parcel.messages[0]) if len(parcel.messages) == 1 else None
                message = alert_mail(parcel, settings=settings, chart=chart)
        except mail.MailError as error:
            return Reply(0, str(error))
        except (KeyError, ValueError) as error:
            return Reply(0, f"the message is no mail: {error}", is_final=True)
        return mail.send(settings, message)


def settings_of(spec: EmailSpec) -> mail.MailSettings:
    """The settings of a channel of the file. Raises MailError."""
    given = {
        "host": spec.host,
        "port": str(spec.port or ""),
        "tls": spec.tls,
        "user": spec.user or "",
        "password": spec.password or "",
        "ca": spec.ca or "",
        "from": spec.sender,
        "to": ", ".join(spec.to),
    }
    return mail.mail_settings(given, names={name: f"{spec.name}.{name}" for name in given})


def build_channels(plan: Plan, environ: Mapping[str, str] | None = None) -> list[Channel]:
    """Every channel of the plan, and Alertmanager where it is set."""
    env = os.environ if environ is None else environ
    chart_url = _chart_url(env)
    found: list[Channel] = [channel_of(spec, chart_url=chart_url) for spec in plan.specs.values()]
    for name in plan.env_channels:
        if name == SLACK and name not in plan.specs:
            # The operator has written the address here, http or not, since before there was a file.
            url = env["LQO_SLACK_WEBHOOK_URL"]
            found.append(SlackChannel(SLACK, url, allow_http=True, chart_url=chart_url))
        elif name == EMAIL and name not in plan.specs:
            found.append(MailChannel(EMAIL))
    return [*found, *_alertmanager(env)]


def channel_of(spec: Spec, *, chart_url: ChartUrl | None = None) -> Channel:
    """The channel that a part of the file describes."""
    limits = Limits(per_minute=spec.per_minute, digest_above=spec.digest_above)
    match spec:
        case SlackSpec():
            return SlackChannel(spec.name, spec.url, limits, allow_http=spec.allow_http, chart_url=chart_url)
        case DiscordSpec():
            return DiscordChannel(spec.name, spec.url, limits, allow_http=spec.allow_http)
        case WebhookSpec():
            return WebhookChannel(spec.name, spec.url, spec.secret, limits, allow_http=spec.allow_http)
        case EmailSpec():
            return MailChannel(spec.name, spec, replace(limits, lease_seconds=MAIL_LEASE_SECONDS))


def missing_secret(spec: Spec) -> str | None:
    """Why a secret that the channel refers to cannot be read here and now; None where all can."""
    for value in (getattr(spec, name, None) for name in ("url", "secret", "password")):
        if value is not None and is_reference(value) and isinstance(found := read_secret(value), Missing):
            return found.reason
    return None


def _alertmanager(env: Mapping[str, str]) -> Sequence[Channel]:
    if not env.get("ALERTMANAGER_URL", "").strip():
        return ()
    from orchestration.alerts.alertmanager.channel import alertmanager_channel

    found = alertmanager_channel(env)
    return (found,) if found is not None else ()


def _chart_url(env: Mapping[str, str]) -> ChartUrl | None:
    """Links to pictures, where `LQO_PUBLIC_URL` says at which address the API is reached from outside."""
    public = env.get("LQO_PUBLIC_URL", "").strip()
    if not public.startswith(("http://", "https://")):
        return None
    links = chart_links(Path(load_settings(env).home))

    def url(message: AlertMessage) -> str | None:
        if sum(point.value is not None for point in message.points) < 2:
            return None
        until = int(message.happened_at.timestamp()) + DEFAULT_SECONDS
        return links.url(public, message.event_id, until=until)

    return url


def _address(url: str) -> str | Missing:
    if not is_reference(url):
        return url
    found = read_secret(url)
    return found.value if isinstance(found, Secret) else found
