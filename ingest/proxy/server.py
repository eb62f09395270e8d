"""Running the proxy: one process that serves, or a supervisor over several that share a port."""

import asyncio
import contextlib
import dataclasses
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from ingest.access.doors import DoorsError, check_doors
from ingest.access.follower import Follower
from ingest.access.wiring import Access, build_access
from ingest.intake.pages import intake_pages
from ingest.limits.metering import LimitsError, check_shared_limits
from ingest.providers.base import Provider
from ingest.providers.catalogue import base_urls, build_providers
from ingest.proxy.app import build_app
from ingest.proxy.bounds import Limits
from ingest.proxy.gate import Gate
from ingest.proxy.job import Job
from ingest.proxy.listening import announced, listen, url_of
from ingest.proxy.metrics import Metrics
from ingest.proxy.serving import ProxyError, Serving, connections_that_fit
from ingest.proxy.upstream import Upstream
from ingest.proxy.web_server import WebServer, serve_until_stopped
from ingest.proxy.workers import run_workers
from ingest.settings import Settings
from ingest.spool.folders import spool_folder
from ingest.spool.writer import Spool

__all__ = ["ProxyError", "announcement", "run_proxy", "serve_proxy"]


def run_proxy(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    settings: Settings,
    upstream_base_url: str | None = None,
    on_ready: Callable[[str], None] = print,
    serving: Serving | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; running calls get their grace to end. Port 0 takes a free one.

    `on_ready` gets the URL once the proxy listens; `<home>/run/proxy.json` then holds pid and url.
    Raises ProxyError or SpoolBusyError, each one line. Needs no database.
    """
    serving = serving or Serving()
    serving.check()
    if serving.workers > 1:
        _check_shared_limits(settings, workers=serving.workers)
        job = Job(1, host, port, settings, upstream_base_url, serving, limits)
        run_workers(job, announcement=announcement(settings), on_ready=on_ready)
        return
    with runner() as running:
        running.run(
            serve_proxy(
                host=host,
                port=port,
                settings=settings,
                upstream_base_url=upstream_base_url,
                on_ready=on_ready,
                serving=serving,
                limits=limits,
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
    providers: Sequence[Provider] | None = None,
    limits: Limits | None = None,
    serving: Serving | None = None,
    gate: Gate | None = None,
    worker: int | None = None,
) -> None:
    """The same on the running event loop, always in one process; cancel it or send a signal to stop it.

    `providers` are those at `upstream_base_url` (OpenAI's) and where the environment has them.
    A `worker` (1, 2, …) has a spool of its own, shares the port with the others and announces nothing.
    """
    try:
        check_doors(settings.auth, host=host)
    except DoorsError as error:
        raise ProxyError(str(error)) from error
    serving = _that_fits(serving or Serving())
    listening = listen(host, port, is_shared=worker is not None)
    url = url_of(listening, is_tls=serving.tls_cert is not None)
    gate = gate or Gate(serving.capacity)
    follower = Follower(settings)
    try:
        spool = spool or _open_spool(settings, worker=worker or 1)
        access = _open_access(settings, follower=follower, spool=spool, n_workers=serving.workers)
        metrics = Metrics()
        follower.each_beat(lambda: _show(metrics, access=access, follower=follower))
        app = build_app(
            upstream=upstream or Upstream(),
            spool=spool,
            providers=providers or build_providers(base_urls(openai=upstream_base_url)),
            ports=access.ports,
            limits=limits,
            gate=gate,
            pages=intake_pages(
                spool, privacy=access.ports.privacy, start=settings.start, count=metrics.handed_in
            ),
            metrics=metrics,
            background=(access.metering,),
        )
        server = WebServer(app, serving=serving, gate=gate)
        await follower.start()
        with contextlib.ExitStack() as told:

            def tell() -> None:
                told.enter_context(announced(announcement(settings) if worker is None else None, url=url))
                on_ready(url)

            server.on_started = tell
            await serve_until_stopped(server, listening=listening)
    finally:
        follower.stop()
        listening.close()


def announcement(settings: Settings) -> Path:
    """The file that holds the pid and the URL of the home's running proxy."""
    return settings.home / "run" / "proxy.json"


def runner() -> "asyncio.Runner":
    """uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def _show(metrics: Metrics, *, access: Access, follower: Follower) -> None:
    """What the metrics cannot see by themselves."""
    metrics.targets(access.router.stats())
    if (age := follower.age_seconds) is not None:
        metrics.snapshot_age(age)
    if (shared := access.metering.shared) is not None:
        metrics.shared_limits(is_up=not shared.is_down, failures=shared.failures)


def _that_fits(serving: Serving) -> Serving:
    fitting = connections_that_fit(serving.patience.connections)
    return dataclasses.replace(serving, patience=dataclasses.replace(serving.patience, connections=fitting))


def _check_shared_limits(settings: Settings, *, workers: int) -> None:
    try:
        check_shared_limits(workers, Follower(settings).snapshot, settings)
    except LimitsError as error:
        raise ProxyError(str(error)) from error


def _open_access(settings: Settings, *, follower: Follower, spool: Spool, n_workers: int) -> Access:
    try:
        return build_access(settings, follower=follower, spool=spool.directory, n_workers=n_workers)
    except LimitsError as error:
        spool.close()
        raise ProxyError(str(error)) from error


def _open_spool(settings: Settings, *, worker: int) -> Spool:
    folder = spool_folder(settings.spool, worker=worker)
    try:
        return Spool(folder, durability=settings.durability, on_full=settings.spool_full)
    except (OSError, sqlite3.Error) as error:
        raise ProxyError(f"the spool {folder} cannot be opened: {error}") from error
