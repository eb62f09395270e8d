"""Running the proxy: uvicorn's server under our own signals, announcement and limits."""

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sqlite3
from collections.abc import Callable, Generator
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingest.access.follower import Follower
from ingest.access.wiring import build_ports
from ingest.providers.openai import openai_provider
from ingest.proxy.app import build_app
from ingest.proxy.relay import Limits
from ingest.proxy.upstream import Upstream
from ingest.settings import Settings
from ingest.spool.writer import Spool

_KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep an idle connection: uvicorn's 5 s are also httpx's, and both ends then race."""
_GRACE_SECONDS = 30


class ProxyError(RuntimeError):
    """The proxy cannot start; the message is one line."""


def run_proxy(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    settings: Settings,
    upstream_base_url: str | None = None,
    on_ready: Callable[[str], None] = print,
) -> None:
    """Serve until SIGINT or SIGTERM; running calls get 30 s to end. Port 0 takes a free one.

    `on_ready` gets the URL once the proxy listens; `<home>/run/proxy.json` then holds pid and url.
    Raises ProxyError or SpoolBusyError, each one line. Needs no database.
    """
    with _runner() as runner:
        runner.run(
            serve_proxy(
                host=host,
                port=port,
                settings=settings,
                upstream_base_url=upstream_base_url,
                on_ready=on_ready,
            )
        )


async def serve_proxy(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    settings: Settings,
    upstream_base_url: str | None = None,
    on_ready: Callable[[str], None] = print,
    spool: Spool | None = None,
    upstream: Upstream | None = None,
    limits: Limits | None = None,
    header_seconds: float = 10.0,
) -> None:
    """The same on the running event loop; cancel it or send a signal to stop it."""
    listening = _listen(host, port)
    url = _url(listening)
    follower = Follower(settings)
    try:
        app = build_app(
            upstream=upstream or Upstream(),
            spool=spool or _open_spool(settings),
            providers=(openai_provider(upstream_base_url),),
            ports=build_ports(settings, follower=follower),
            limits=limits,
        )
        server = _Server(_config(app, header_seconds=header_seconds))
        with _announced(settings.home / "run" / "proxy.json", url=url):
            server.on_started = lambda: on_ready(url)
            await follower.start()
            await _until_stopped(server, listening=listening)
    finally:
        follower.stop()
        listening.close()


async def _until_stopped(server: uvicorn.Server, *, listening: socket.socket) -> None:
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        # A cancelled server would leave the spool unsealed; let it end as after a signal.
        server.should_exit = True
        await serving
        raise


class _Server(uvicorn.Server):
    """uvicorn's server, which ends with exit code 0 after a signal and says when it is ready."""

    on_started: Callable[[], None] = staticmethod(lambda: None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        # What is loaded by now stays: the collector need not walk it on every full collection.
        gc.collect()
        gc.freeze()
        self.on_started()

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


class _GuardedProtocol(HttpToolsProtocol):
    """Closes a connection whose request head does not arrive in time, which uvicorn never does."""

    header_seconds = 10.0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._arm()

    def on_message_begin(self) -> None:
        self._arm()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._disarm()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def _arm(self) -> None:
        self._disarm()
        self._head_timer = self.loop.call_later(self.header_seconds, self._close_idle)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_idle(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


class _AbortsAreCounted(logging.Filter):
    """uvicorn logs each answer we break off on purpose; the metrics count them and END says why."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "returned without completing response" not in record.getMessage()


def _config(app: object, *, header_seconds: float) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").addFilter(_AbortsAreCounted())
    guarded = type("GuardedProtocol", (_GuardedProtocol,), {"header_seconds": header_seconds})
    return uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType]
        http=guarded,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _runner() -> "asyncio.Runner":
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def _open_spool(settings: Settings) -> Spool:
    try:
        return Spool(settings.spool)
    except (OSError, sqlite3.Error) as error:
        raise ProxyError(f"the spool {settings.spool} cannot be opened: {error}") from error


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ProxyError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _announced(path: Path, *, url: str) -> Generator[None]:
    """`path` holds our pid and url meanwhile; a killed proxy leaves it, so check the pid."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"pid": os.getpid(), "url": url}) + "\n")
    draft.rename(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
