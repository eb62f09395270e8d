"""Local receivers that keep what is posted to them."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What came in, as (path, headers, body); `answer` gives the status of the next one."""

    url: str = ""
    received: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    answer: Callable[[], int] = lambda: 200
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, path: str, headers: dict[str, str], body: Any) -> int:
        with self._changed:
            self.received.append((path, headers, body))
            self._changed.notify_all()
        return self.answer()

    def wait(self, fact: Callable[[list[Any]], bool], *, seconds: float = 60.0) -> list[Any]:
        """The bodies, once `fact` holds for them."""
        with self._changed:
            held = self._changed.wait_for(lambda: fact(self.bodies), timeout=seconds)
        assert held, self.bodies
        return self.bodies

    @property
    def bodies(self) -> list[Any]:
        return [body for _, _, body in self.received]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A server on a free port of 127.0.0.1 until the block ends."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.take(self.path, dict(self.headers), json.loads(body))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *arguments: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
