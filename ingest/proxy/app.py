"""The proxy as an ASGI application: its lifespan, and which way each path goes."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ingest.providers.base import Provider
from ingest.proxy.bounds import Limits
from ingest.proxy.calls import Calls, Route
from ingest.proxy.gate import Gate
from ingest.proxy.http import App, Receive, Scope, Send
from ingest.proxy.metrics import Metrics
from ingest.proxy.pages import Page, deliver, show
from ingest.proxy.passing import pass_through
from ingest.proxy.surroundings import Ports
from ingest.proxy.upstream import Upstream
from ingest.proxy.works import Works
from ingest.spool.writer import Spool


class Background(Protocol):
    """What runs beside the calls."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...


def build_app(
    *,
    upstream: Upstream,
    spool: Spool,
    providers: Sequence[Provider],
    ports: Ports,
    limits: Limits | None = None,
    pages: Mapping[str, Page] | None = None,
    metrics: Metrics | None = None,
    gate: Gate | None = None,
    background: Sequence[Background] = (),
) -> App:
    """The ASGI app. Its lifespan opens `upstream` and starts the spool's beat, and closes both at the end.

    `background` runs as long; it ends after the last call and before the spool is given back. A path belongs
    to the first provider that knows it, after `pages`, our own endpoints by path.
    """
    works = Works(
        upstream=upstream,
        spool=spool,
        ports=ports,
        limits=limits or Limits(),
        metrics=metrics or Metrics(),
        gate=gate or Gate(),
    )
    return _Proxy(works, providers=providers, pages=pages or {}, background=background)


class _Proxy:
    def __init__(
        self,
        works: Works,
        *,
        providers: Sequence[Provider],
        pages: Mapping[str, Page],
        background: Sequence[Background],
    ) -> None:
        self._works = works
        self._calls = Calls(works)
        self._providers = providers
        self._pages = pages
        self._background = background
        self._known: dict[str, Route] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if (route := self._known.get(path) or self._route(path)) is not None:
            await self._calls.run(scope, receive, send, route=route)
        elif (page := self._pages.get(path)) is not None:
            await deliver(scope, receive, send, works=self._works, page=page)
        elif (provider := self._passing(scope)) is not None:
            await pass_through(scope, receive, send, works=self._works, provider=provider)
        else:
            await show(path, send, works=self._works)

    def _route(self, path: str) -> Route | None:
        for provider in self._providers:
            endpoint = provider.endpoint_of(path)
            if endpoint is None:
                continue
            route = Route(provider, endpoint)
            if endpoint == path:
                # Only fixed paths are remembered: paths with a model in them are the client's to invent.
                self._known[path] = route
            return route
        return None

    def _passing(self, scope: Scope) -> Provider | None:
        path, headers = scope["path"], scope["headers"]
        return next((each for each in self._providers if each.is_passed_through(path, headers)), None)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        works = self._works
        await receive()
        await works.upstream.open()
        works.spool.start_beating()
        works.gate.start_watching()
        works.gate.wire.tell = works.metrics.refused
        works.metrics.watch(works.spool)
        for each in self._background:
            await each.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        works.metrics.stop()
        works.gate.stop_watching()
        for each in self._background:
            await each.close()
        await works.upstream.close()
        works.spool.close()
        await send({"type": "lifespan.shutdown.complete"})
