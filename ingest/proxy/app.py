"""The proxy as an ASGI application: routes, lifespan, and the way of one recorded call."""

import logging
import time
from collections.abc import Iterable, Sequence

import aiohttp

from ingest.providers.base import Prepared, Provider
from ingest.proxy.http import (
    App,
    BodyTooLargeError,
    ClientGoneError,
    Receive,
    Scope,
    Send,
    error_body,
    forwarded_request_headers,
    forwarded_response_headers,
    read_body,
    send_bytes,
    send_json,
)
from ingest.proxy.keys import client_key, key_id
from ingest.proxy.metrics import Metrics
from ingest.proxy.observer import read_observer, read_purpose
from ingest.proxy.recorder import Outcome, Recorder
from ingest.proxy.relay import Limits, Relay, Sending, call_id_header
from ingest.proxy.upstream import Upstream
from ingest.spool.writer import Spool, SpoolRefusedError
from ingest.uuid7 import uuid7

logger = logging.getLogger(__name__)


def build_app(
    *,
    upstream: Upstream,
    spool: Spool,
    providers: Sequence[Provider],
    pepper: bytes,
    limits: Limits | None = None,
) -> App:
    """The ASGI app. Its lifespan opens `upstream` and starts the spool's beat, and closes both at the end.

    Every endpoint belongs to exactly one provider; ValueError otherwise.
    """
    return _Proxy(upstream, spool=spool, providers=providers, pepper=pepper, limits=limits or Limits())


class _Proxy:
    def __init__(
        self,
        upstream: Upstream,
        *,
        spool: Spool,
        providers: Sequence[Provider],
        pepper: bytes,
        limits: Limits,
    ) -> None:
        self._upstream = upstream
        self._spool = spool
        self._pepper = pepper
        self._limits = limits
        self._calls = _routes((provider.endpoints, provider) for provider in providers)
        self._passed = _routes((provider.passed_through, provider) for provider in providers)
        self._metrics = Metrics()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if (provider := self._calls.get(path)) is not None:
            await self._call(scope, receive, send, provider=provider)
        elif (provider := _passing(self._passed, path)) is not None:
            await self._pass(scope, send, provider=provider)
        else:
            await self._own_page(path, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._upstream.open()
        self._spool.start_beating()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._upstream.close()
        self._spool.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _call(self, scope: Scope, receive: Receive, send: Send, *, provider: Provider) -> None:
        began = time.perf_counter()
        self._metrics.in_flight += 1
        status, outcome = 500, "error"
        try:
            status, outcome = await self._recorded(scope, receive, send, provider=provider)
        finally:
            self._metrics.in_flight -= 1
            endpoint = scope["path"]
            self._metrics.answered(endpoint, status=status, seconds=time.perf_counter() - began)
            self._metrics.ended(endpoint, outcome=outcome)

    async def _recorded(
        self, scope: Scope, receive: Receive, send: Send, *, provider: Provider
    ) -> tuple[int, str]:
        """Run one call; the status the client got and how it ended."""
        if scope["method"] != "POST":
            await _refuse(send, 405, "this endpoint takes POST", kind="method_not_allowed")
            return 405, "error"
        try:
            body, refusal = await self._body(scope, receive)
            prepared = provider.prepare(body)
            key = client_key(scope["headers"])
            recorder = self._recorder(key, prepared=prepared)
            call_id = await recorder.start(
                endpoint=scope["path"],
                provider=provider.name,
                requested_model=prepared.requested_model,
                is_streamed=prepared.is_streamed,
                request=body,
                observer=read_observer(scope["headers"]),
                purpose=read_purpose(scope["headers"]),
                key_id=key_id(key, pepper=self._pepper),
            )
            if refusal is not None:
                await self._refuse_body(send, recorder, status=refusal, call_id=call_id)
                return refusal, "error"
        except ClientGoneError:
            return 499, "client_gone"
        except SpoolRefusedError as error:
            message = f"the call was not sent, as it could not be logged: {error}"
            await _refuse(send, 503, message, kind="spool_refused")
            return 503, "refused"
        return await self._relay(
            scope,
            receive,
            send,
            provider=provider,
            prepared=prepared,
            recorder=recorder,
            call_header=call_id_header(call_id),
        )

    async def _relay(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        provider: Provider,
        prepared: Prepared,
        recorder: Recorder,
        call_header: tuple[bytes, bytes],
    ) -> tuple[int, str]:
        relay = Relay(
            provider=provider,
            recorder=recorder,
            limits=self._limits,
            receive=receive,
            send=send,
            call_header=call_header,
        )
        headers = forwarded_request_headers(scope["headers"])
        url = _upstream_url(provider, scope)
        await relay.run(self._upstream, Sending(method="POST", url=url, headers=headers, prepared=prepared))
        return relay.http_status, relay.outcome.status

    async def _body(self, scope: Scope, receive: Receive) -> tuple[bytes, int | None]:
        """The body, or none of it and the status to refuse it with."""
        limits = self._limits
        try:
            body = await read_body(
                receive,
                headers=scope["headers"],
                limit=limits.body_bytes,
                idle_seconds=limits.body_idle_seconds,
            )
        except BodyTooLargeError:
            return b"", 413
        except TimeoutError:
            return b"", 408
        return body, None

    def _recorder(self, key: bytes | None, *, prepared: Prepared) -> Recorder:
        limits = self._limits
        return Recorder(
            self._spool,
            key=key,
            part_seconds=limits.part_seconds,
            part_bytes=limits.part_bytes if prepared.is_streamed else limits.plain_part_bytes,
        )

    async def _refuse_body(self, send: Send, recorder: Recorder, *, status: int, call_id: object) -> None:
        """A body we do not take is a call all the same: it gets its row."""
        kind, message = {
            413: ("request_too_large", f"the request is larger than {self._limits.body_bytes} bytes"),
            408: ("request_timeout", "the request body stopped coming"),
        }[status]
        await recorder.end(
            Outcome(status="error", http_status=status, error_type=kind, error_message=message)
        )
        headers = (call_id_header(call_id), (b"connection", b"close"))
        await send_json(send, error_body(message, kind=kind), status=status, headers=headers)

    async def _pass(self, scope: Scope, send: Send, *, provider: Provider) -> None:
        """Forward without a record: lists of models and the like."""
        began = time.perf_counter()
        status = 502
        call_header = call_id_header(uuid7())
        try:
            async with await self._upstream.send(
                scope["method"],
                _upstream_url(provider, scope),
                headers=forwarded_request_headers(scope["headers"]),
            ) as response:
                body = await response.read()
                status = response.status
                headers = forwarded_response_headers(response.raw_headers, keeps_length=True)
                head = {"type": "http.response.start", "status": status, "headers": [*headers, call_header]}
            await send(head)
            await send({"type": "http.response.body", "body": body})
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            status = 504 if isinstance(error, TimeoutError) else 502
            await _refuse(send, status, f"the provider could not be reached: {error}", kind="upstream_error")
        finally:
            self._metrics.answered("models", status=status, seconds=time.perf_counter() - began)

    async def _own_page(self, path: str, send: Send) -> None:
        mark = (call_id_header(uuid7()),)
        if path == "/healthz":
            await send_json(send, {"status": "ok"}, status=200, headers=mark)
        elif path == "/readyz":
            is_ready = self._spool.is_accepting
            answer = {"status": "ready" if is_ready else "the spool's disk is almost full"}
            await send_json(send, answer, status=200 if is_ready else 503, headers=mark)
        elif path == "/metrics":
            page = self._metrics.render(self._spool)
            await send_bytes(send, page, status=200, content_type=b"text/plain; version=0.0.4", headers=mark)
        else:
            await _refuse(send, 404, f"there is no {path} here", kind="not_found")
            self._metrics.answered("other", status=404, seconds=0.0)


def _routes(claims: Iterable[tuple[frozenset[str], Provider]]) -> dict[str, Provider]:
    routes: dict[str, Provider] = {}
    for paths, provider in claims:
        for path in paths:
            if routes.setdefault(path, provider) is not provider:
                raise ValueError(f"{path} belongs to {routes[path].name} and to {provider.name}")
    return routes


def _passing(routes: dict[str, Provider], path: str) -> Provider | None:
    """The provider of `/v1/models` also answers for `/v1/models/<id>`."""
    return routes.get(path) or next((p for root, p in routes.items() if path.startswith(f"{root}/")), None)


def _upstream_url(provider: Provider, scope: Scope) -> str:
    raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("ascii")
    query = scope["query_string"].decode("ascii")
    url = provider.base_url + provider.upstream_path(raw_path)
    return f"{url}?{query}" if query else url


async def _refuse(send: Send, status: int, message: str, *, kind: str) -> None:
    mark = (call_id_header(uuid7()),)
    await send_json(send, error_body(message, kind=kind), status=status, headers=mark)
