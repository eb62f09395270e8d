"""Metabase's HTTP API, as far as we need it."""

import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_SECONDS = 30.0


class MetabaseError(RuntimeError):
    """Metabase is away or refuses; the message is one line and holds no key."""


class Metabase:
    """One server, asked with an API key (Metabase 49 and newer)."""

    def __init__(self, url: str, *, api_key: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise MetabaseError(f"{url!r} is no address: it must begin with http:// or https://")
        self.url = url.rstrip("/")
        self._api_key = api_key

    def get(self, path: str) -> Any:
        return self._ask("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("POST", path, body)

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("PUT", path, body)

    def listed(self, path: str) -> list[dict[str, Any]]:
        """The objects of a list, which newer versions put under `data`."""
        found = self.get(path)
        return found["data"] if isinstance(found, dict) else found

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"x-api-key": self._api_key, "Content-Type": "application/json"},
        )
        where = f"{method} {request.full_url}"
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                text = answer.read()
            return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            detail = " ".join(error.read(500).decode("utf-8", "replace").split())
            raise MetabaseError(f"{where}: {error.code} {detail or error.reason}") from None
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            raise MetabaseError(f"{where}: {' '.join(str(reason).split())}") from None
        except ValueError:
            raise MetabaseError(f"{where}: the answer is no JSON; is this Metabase?") from None
