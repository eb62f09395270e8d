"""`channels.yaml` as it is written: channels by name, routes, and where to when none fits."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z][a-z0-9_-]{0,62}$",
        extra={"means": "a name of at most 63 lower-case letters, digits, _ and - that begins with a letter"},
    ),
]
Severity = Literal["critical", "warning", "info"]
# Whoever has a webhook's address may post, so it is a secret, and a secret is a reference.
Reference = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$",
        description="Where a secret stands: env:NAME or file:/path.",
        extra={"means": "a reference, env:NAME or file:/path: a secret does not stand here"},
    ),
]
PerMinute = Annotated[float, msgspec.Meta(gt=0, le=6000, description="At most so many messages a minute.")]
DigestAbove = Annotated[
    int | None,
    msgspec.Meta(description="More than so many waiting alerts go as one message; null: never."),
]


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of the file; an unknown field is an error, since it is most likely a misspelt one."""


class SlackSpec(Struct, frozen=True, tag="slack", tag_field="type"):
    """An incoming webhook of Slack, or of what takes Slack's messages (`allow_http` for one inside)."""

    name: Name
    url: Reference
    per_minute: PerMinute = 60.0
    digest_above: DigestAbove = 10
    allow_http: bool = False


class DiscordSpec(Struct, frozen=True, tag="discord", tag_field="type"):
    """A webhook of a Discord channel."""

    name: Name
    url: Reference
    per_minute: PerMinute = 30.0
    digest_above: DigestAbove = 10
    allow_http: bool = False


class EmailSpec(Struct, frozen=True, tag="email", tag_field="type"):
    """A mail server, from whom and to whom."""

    name: Name
    host: str
    sender: str = msgspec.field(name="from")
    to: list[str]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: Reference | None = None
    ca: str | None = None
    per_minute: PerMinute = 20.0
    digest_above: DigestAbove = 10


class WebhookSpec(Struct, frozen=True, tag="webhook", tag_field="type"):
    """An address that takes our JSON; `secret` signs it. The address may stand here, where it is none."""

    name: Name
    url: str
    secret: Reference | None = None
    per_minute: PerMinute | None = None
    digest_above: DigestAbove = None
    allow_http: bool = False


Spec = SlackSpec | DiscordSpec | EmailSpec | WebhookSpec


class Match(Struct, frozen=True):
    """What an alert must be for a route: each that is given, one of its values; labels or dimensions all."""

    severity: list[Severity] = []
    owner: list[str] = []
    rule: list[str] = []
    labels: Mapping[str, str] = {}


class Route(Struct, frozen=True):
    """Where alerts go that match; the first that matches is the last, unless it says `continue`."""

    channels: list[Name]
    match: Match = Match()
    goes_on: bool = msgspec.field(name="continue", default=False)


class ChannelFile(Struct, frozen=True):
    """The file; `reports` are the channels of the weekly report (Slack or e-mail)."""

    version: Literal[1]
    channels: list[SlackSpec | DiscordSpec | EmailSpec | WebhookSpec]
    routes: list[Route] = []
    default: list[Name] = []
    reports: list[Name] = []
