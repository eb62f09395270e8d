"""Where alerts go: what the environment names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.access.secrets import Secret, is_reference, read_secret


@dataclass(frozen=True, slots=True)
class Channel:
    """A name as it stands in the outbox, and its webhook (a secret: whoever has it may post)."""

    name: str
    url: str = field(repr=False)


def configured_channels(environ: Mapping[str, str] | None = None) -> list[Channel]:
    """The channels with a webhook: `slack` from `LQO_SLACK_WEBHOOK_URL` (a URL, env:NAME or file:/path).

    Messages of a channel without one wait in the outbox.
    """
    env = os.environ if environ is None else environ
    url = env.get("LQO_SLACK_WEBHOOK_URL")
    if url and is_reference(url):
        found = read_secret(url)
        # Without its secret the channel is there, and each try says that this is no URL.
        url = found.value if isinstance(found, Secret) else "unknown"
    return [Channel("slack", url)] if url else []


def configured_mail(environ: Mapping[str, str] | None = None) -> list[Channel]:
    """`email`, where there is a server (`LQO_SMTP_HOST`); what is wrong with it, each try says anew."""
    env = os.environ if environ is None else environ
    return [Channel("email", "")] if env.get("LQO_SMTP_HOST", "").strip() else []
