"""uvicorn's server and its configuration, as the proxy wants them."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Callable, Generator
from typing import Any

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from ingest.proxy.gate import Gate
from ingest.proxy.protocol import Refused, guarded
from ingest.proxy.serving import Serving, tls_context

_KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep an idle connection: uvicorn's 5 s are also httpx's, and both ends then race."""


class WebServer(uvicorn.Server):
    """uvicorn's server, which ends with exit code 0 after a signal and says when it is ready.

    `gate` is told at once that the end has come; with a drain delay the listeners stay open that long,
    so that a load balancer can read it off `/readyz` before connections are refused.
    """

    def __init__(self, app: object, *, serving: Serving, gate: Gate) -> None:
        super().__init__(config_of(app, serving=serving, refused=gate.wire))
        self.on_started: Callable[[], None] = lambda: None
        self._gate = gate
        self._delay = serving.drain_delay_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        # What is loaded by now stays: the collector need not walk it on every full collection.
        gc.collect()
        gc.freeze()
        # A call leaves few cycles; at the usual 700 objects looking for them took a tenth of a call.
        gc.set_threshold(20_000, 20, 20)
        self.on_started()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """A first signal drains, a second one ends the delay, a SIGINT after that all patience."""
        if self._gate.is_draining or not self._delay:
            self._gate.is_draining = True
            super().handle_exit(sig, frame)
            return
        self._gate.is_draining = True
        asyncio.get_running_loop().call_later(self._delay, self.stop)

    def stop(self) -> None:
        """As after a signal, without its delay."""
        self._gate.is_draining = self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        caught: list[signal.Signals] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            # Outside the main thread there are no signals to catch; whoever runs us there cancels.
            with contextlib.suppress(ValueError, RuntimeError):
                loop.add_signal_handler(number, self.handle_exit, number, None)
                caught.append(number)
        try:
            yield
        finally:
            for number in caught:
                loop.remove_signal_handler(number)


async def serve_until_stopped(server: WebServer, *, listening: socket.socket) -> None:
    """Serve until a signal comes or this task is cancelled."""
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        # A cancelled server would leave the spool unsealed; let it end as after a signal.
        server.stop()
        await serving
        raise


def config_of(app: object, *, serving: Serving, refused: Refused) -> uvicorn.Config:
    """Raises ProxyError for TLS files that do not serve."""
    logging.getLogger("uvicorn.error").addFilter(_AbortsAreCounted())
    if serving.trusted_proxies:
        app = ProxyHeadersMiddleware(app, [*serving.trusted_proxies])  # pyright: ignore[reportArgumentType]
    context = tls_context(serving)
    return uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType]
        http=guarded(serving.patience, refused=refused),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        # Whole seconds are asked for and any number is taken.
        timeout_graceful_shutdown=serving.grace_seconds,  # pyright: ignore[reportArgumentType]
        ssl_context_factory=None if context is None else lambda config, default: context,
    )


class _AbortsAreCounted(logging.Filter):
    """uvicorn logs each answer we break off on purpose; the metrics count them and END says why."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "returned without completing response" not in record.getMessage()
