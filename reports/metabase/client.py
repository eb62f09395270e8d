"""Metabase's HTTP API, as far as we need it."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_SECONDS = 30.0


class MetabaseError(RuntimeError):
    """Metabase is away or refuses; the message is one line and holds no key."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the key to another server, and make a question of what was to be written."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Metabase:
    """One server, asked with an API key (Metabase 49 and newer)."""

    def __init__(self, url: str, *, api_key: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise MetabaseError(f"{url!r} is no address: it must begin with http:// or https://")
        self.url = url.rstrip("/")
        self._api_key = api_key
        self._opener = urllib.request.build_opener(_NoRedirects)

    def get(self, path: str) -> Any:
        return self._ask("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("POST", path, body)

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("PUT", path, body)

    def listed(self, path: str) -> list[dict[str, Any]]:
        """The objects of a list, which newer versions put under `data`."""
        found = self.get(path)
        objects = found.get("data") if isinstance(found, dict) else found
        if not isinstance(objects, list):
            raise MetabaseError(f"GET {self.url}/api/{path}: the answer is no list; is this Metabase?")
        return objects

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"x-api-key": self._api_key, "Content-Type": "application/json"},
        )
        where = f"{method} {request.full_url}"
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                text = answer.read()
            return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            with error:
                raise MetabaseError(f"{where}: {_refusal(error)}") from None
        except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise MetabaseError(f"{where}: {' '.join(str(reason).split())}") from None
        except ValueError:
            raise MetabaseError(f"{where}: the answer is no JSON; is this Metabase?") from None


def _refusal(error: urllib.error.HTTPError) -> str:
    if 300 <= error.code < 400:
        return f"it is at {error.headers.get('location')} now; ask there"
    detail = " ".join(error.read(500).decode("utf-8", "replace").split())
    return f"{error.code} {detail or error.reason}"
