"""A server that keeps what Metabase's API would be told, and every request, in the order they came."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "mb_key"


@dataclass
class FakeMetabase:
    """Databases, collections, cards and dashboards by id; tables are what a sync would have found."""

    url: str = ""
    requests: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])
    kept: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict[str, dict[int, dict[str, Any]]])
    tables: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def asked(self, method: str, path: str) -> list[Any]:
        """The bodies of requests of this method whose path matches the pattern."""
        return [body for verb, where, body in self.requests if verb == method and re.fullmatch(path, where)]

    def answer(self, method: str, path: str, body: Any) -> Any:
        where, _, _ = path.removeprefix("/api/").partition("?")
        kind, *rest = where.split("/")
        objects = self.kept.setdefault(kind, {})
        if method == "POST" and not rest:
            made = {**body, "id": sum(map(len, self.kept.values())) + 1}
            return objects.setdefault(made["id"], made)
        if method == "GET" and not rest:
            everything = list(objects.values())
            return (
                {"data": everything} if kind == "database" else [{"id": "root", "name": "Ours"}, *everything]
            )
        if kind == "collection":
            wanted = "card" if "models=card" in path else "dashboard"
            return {"data": list(self.kept.get(wanted, {}).values())}
        if kind == "database":
            return self._database(rest)
        found = next((t for t in self.tables if t["id"] == int(rest[0])), None) or objects.get(int(rest[0]))
        if kind == "field":
            found = next(f for t in self.tables for f in t["fields"] if f["id"] == int(rest[0]))
        if found is None:
            return None
        if method == "PUT":
            found |= self._placed(body)
        return found

    def _database(self, rest: list[str]) -> Any:
        if rest[1:] == ["metadata"]:
            return {"tables": self.tables}
        return {"id": int(rest[0])}

    def _placed(self, body: dict[str, Any]) -> dict[str, Any]:
        """New places get an id of their own, as Metabase gives them one."""
        cards = [
            {**card, "id": 1000 - card["id"] if card["id"] < 0 else card["id"]}
            for card in body.get("dashcards", [])
        ]
        return {**body, "dashcards": cards} if cards else body


@contextmanager
def fake_metabase() -> Iterator[FakeMetabase]:
    fake = FakeMetabase()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            if self.headers.get("x-api-key") != KEY:
                self._reply(401, "Unauthenticated")
                return
            fake.requests.append((self.command, self.path, body))
            found = fake.answer(self.command, self.path, body)
            self._reply(200 if found is not None else 404, found if found is not None else "Not found.")

        do_GET = do_POST = do_PUT = _handle  # noqa: N815

        def _reply(self, status: int, body: Any) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing: the test reads the requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
