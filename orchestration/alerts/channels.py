"""Where alerts go: what the environment names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Channel:
    """A name as it stands in the outbox, and its webhook (a secret: whoever has it may post)."""

    name: str
    url: str = field(repr=False)


def configured_channels(environ: Mapping[str, str] | None = None) -> list[Channel]:
    """The channels with a webhook: `slack` from `LQO_SLACK_WEBHOOK_URL`.

    Messages of a channel without one wait in the outbox.
    """
    env = os.environ if environ is None else environ
    url = env.get("LQO_SLACK_WEBHOOK_URL")
    return [Channel("slack", url)] if url else []
