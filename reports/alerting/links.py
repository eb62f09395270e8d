"""Links to charts that are signed and expire: a chat's server fetches the picture, and has no key of ours."""

import hmac
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from ingest.proxy.keys import load_pepper

PATH = "/alerts/charts"
DEFAULT_SECONDS = 30 * 86_400
"""A chat fetches once and keeps its copy; a month is for those that fetch when somebody looks."""


@dataclass(frozen=True, slots=True)
class ChartLinks:
    """Makes and checks links; `key` is a secret of this home."""

    key: bytes = field(repr=False)

    def url(self, public_url: str, event_id: UUID, *, until: int) -> str:
        """The address below `public_url` (where the API is reached from outside), good until then."""
        query = f"until={until}&signature={self._signature(event_id, until)}"
        return f"{public_url.rstrip('/')}/v1{PATH}/{event_id}?{query}"

    def is_valid(self, event_id: UUID, *, until: int, signature: str, now: float) -> bool:
        """Whether we made this link, and it has not expired."""
        expected = self._signature(event_id, until)
        return hmac.compare_digest(expected.encode(), signature.encode()) and now < until

    def _signature(self, event_id: UUID, until: int) -> str:
        return hmac.digest(self.key, f"{event_id}|{until}".encode(), "sha256").hex()[:40]


def chart_links(home: Path) -> ChartLinks:
    """The links of this home, from a key of their own that follows from its secret."""
    return ChartLinks(hmac.digest(load_pepper(home), b"alert charts", "sha256"))
