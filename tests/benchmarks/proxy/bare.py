"""The smallest ASGI pass-through on the proxy's own server and client: no log, no keys, no headers kept.

    python -m tests.benchmarks.proxy.bare UPSTREAM [--plain]

Prints its URL. With `--plain` it runs on uvicorn as it comes, without our stricter protocol.
"""

import argparse
import contextlib
import socket
from typing import Any

import uvicorn

from ingest.proxy.protocol import Refused
from ingest.proxy.server import runner
from ingest.proxy.serving import Serving
from ingest.proxy.upstream import Upstream
from ingest.proxy.web_server import config_of


def bare_app(upstream_url: str) -> Any:
    """Read the body, post it, send back what comes."""
    upstream = Upstream()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await upstream.open()
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await upstream.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = [(k.decode(), v.decode()) for k, v in scope["headers"] if k == b"content-type"]
        response = await upstream.send("POST", upstream_url + scope["path"], headers=headers, body=body)
        kept = [(k, v) for k, v in response.raw_headers if k.lower() in (b"content-type", b"content-length")]
        await send({"type": "http.response.start", "status": response.status, "headers": kept})
        while chunk := await response.content.readany():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        response.release()

    return app


async def serve(upstream_url: str, *, is_plain: bool) -> None:
    app = bare_app(upstream_url)
    config = config_of(app, serving=Serving(), refused=Refused())
    if is_plain:
        config.http = "httptools"
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    await uvicorn.Server(config).serve(sockets=[listening])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("upstream")
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    with runner() as running:
        running.run(serve(options.upstream, is_plain=options.plain))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
