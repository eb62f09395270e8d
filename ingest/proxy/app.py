"""The proxy as an ASGI application: routes, lifespan, and the way of one recorded call."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import aiohttp
import msgspec

from ingest.providers.base import Prepared, Provider
from ingest.proxy.departure import EXTENSION
from ingest.proxy.gate import Gate, Holding, TooMuchHeldError
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
    without_secrets,
)
from ingest.proxy.listing import listing
from ingest.proxy.metrics import CONTENT_TYPE, Ended, Metrics
from ingest.proxy.model_names import OTHER
from ingest.proxy.observer import read_observer, read_purpose
from ingest.proxy.ports import Caller, Ports, Refusal
from ingest.proxy.recorder import Asked, Bounds, Outcome, Recorder
from ingest.proxy.relay import Limits, Relay, Sending, call_id_header
from ingest.proxy.upstream import Upstream
from ingest.spool.writer import Spool, SpoolRefusedError
from ingest.uuid7 import uuid7

logger = logging.getLogger(__name__)


Page = Callable[[Scope, Receive, Send, Caller], Awaitable[int]]
"""One of our own endpoints that takes something in; gives the status it answered with."""


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
    return _Proxy(
        upstream,
        spool=spool,
        providers=providers,
        ports=ports,
        limits=limits or Limits(),
        pages=pages or {},
        metrics=metrics or Metrics(),
        gate=gate or Gate(),
        background=background,
    )


class _Proxy:
    def __init__(
        self,
        upstream: Upstream,
        *,
        spool: Spool,
        providers: Sequence[Provider],
        ports: Ports,
        limits: Limits,
        pages: Mapping[str, Page],
        metrics: Metrics,
        gate: Gate,
        background: Sequence[Background],
    ) -> None:
        self._upstream = upstream
        self._spool = spool
        self._providers = providers
        self._ports = ports
        self._limits = limits
        self._pages = pages
        self._metrics = metrics
        self._gate = gate
        self._background = background
        self._known: dict[str, _Route] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if (route := self._known.get(path) or self._route(path)) is not None:
            await self._call(scope, receive, send, route=route)
        elif (page := self._pages.get(path)) is not None:
            await self._page(scope, receive, send, page=page)
        elif (provider := self._passing(scope)) is not None:
            await self._pass(scope, receive, send, provider=provider)
        else:
            await self._own_page(path, send)

    def _route(self, path: str) -> "_Route | None":
        for provider in self._providers:
            endpoint = provider.endpoint_of(path)
            if endpoint is None:
                continue
            route = _Route(provider, endpoint)
            if endpoint == path:
                # Only fixed paths are remembered: paths with a model in them are the client's to invent.
                self._known[path] = route
            return route
        return None

    def _passing(self, scope: Scope) -> Provider | None:
        path, headers = scope["path"], scope["headers"]
        return next((each for each in self._providers if each.is_passed_through(path, headers)), None)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._upstream.open()
        self._spool.start_beating()
        self._gate.start_watching()
        self._gate.wire.tell = self._metrics.refused
        self._metrics.watch(self._spool)
        for each in self._background:
            await each.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._metrics.stop()
        self._gate.stop_watching()
        for each in self._background:
            await each.close()
        await self._upstream.close()
        self._spool.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _call(self, scope: Scope, receive: Receive, send: Send, *, route: "_Route") -> None:
        began = time.perf_counter()
        self._metrics.began()
        done = _Done(500, "error")
        try:
            if (refusal := self._gate.refusal()) is not None:
                done = await _refused(send, refusal, provider=route.provider)
                return
            with self._gate.inside() as holding:
                done = await self._recorded(scope, receive, send, route=route, holding=holding)
        finally:
            seconds = time.perf_counter() - began
            self._metrics.answered(route.endpoint, status=done.status, seconds=seconds, model=done.model)
            self._metrics.over(route.endpoint, outcome=done.outcome)
            if done.refusal is not None:
                self._metrics.refused(done.refusal)

    async def _recorded(
        self, scope: Scope, receive: Receive, send: Send, *, route: "_Route", holding: Holding
    ) -> "_Done":
        """Run one call."""
        provider = route.provider
        if scope["method"] != "POST":
            refusal = Refusal(405, "method_not_allowed", "this endpoint takes POST")
            return await _refused(send, refusal, provider=provider)
        caller = self._ports.doors.identify(scope, provider=provider)
        if isinstance(caller, Refusal):
            return await _refused(send, caller, provider=provider)
        try:
            body, status = await self._body(scope, receive, holding=holding)
            query = scope["query_string"].decode("latin-1")
            prepared = provider.prepare(body, path=_raw_path(scope), query=query)
            said = read_observer(scope["headers"])
            sending = await self._sending(
                scope, route=route, caller=caller, prepared=prepared, said=said, refused=status
            )
            observer = _observer(said, caller)
            recorder = self._recorder(
                caller, route=route, prepared=prepared, holding=holding, project=observer.get("project")
            )
            asked = _asked(
                scope,
                route=route,
                caller=caller,
                body=body,
                sending=sending,
                prepared=prepared,
                observer=observer,
            )
            call_id = await self._started(recorder, asked, sending=sending)
        except ClientGoneError:
            return _Done(499, "client_gone")
        except SpoolRefusedError as error:
            message = f"the call was not sent, as it could not be logged: {error}"
            return await _refused(send, Refusal(503, "spool_refused", message), provider=provider)
        header = call_id_header(call_id)
        if isinstance(sending, Refusal):
            await recorder.end(_outcome_of(sending))
            # What a client still sends must not reset its answer away.
            unread = receive if holding.is_unread else None
            return await _refused(send, sending, provider=provider, mark=header, unread=unread)
        return await self._relayed(scope, send, route=route, sending=sending, recorder=recorder, mark=header)

    async def _sending(
        self,
        scope: Scope,
        *,
        route: "_Route",
        caller: Caller,
        prepared: Prepared,
        said: dict[str, str],
        refused: int | None,
    ) -> Sending | Refusal:
        """Where the call goes and under which leave, or why it goes nowhere."""
        if refused is not None:
            return _body_refusal(refused, limits=self._limits)
        if prepared.problem is not None:
            return Refusal(400, "invalid_request", prepared.problem)
        plan = self._ports.router.plan(caller=caller, provider=route.provider, prepared=prepared)
        if isinstance(plan, Refusal):
            return plan
        grant = await self._ports.admission.admit(
            caller=caller,
            plan=plan,
            prepared=prepared,
            user_id=said.get("user_id"),
            project=said.get("project"),
        )
        if isinstance(grant, Refusal):
            return grant
        headers = forwarded_request_headers(scope["headers"])
        if not caller.forwards_key:
            headers, prepared = without_secrets(headers), msgspec.structs.replace(prepared, secret_query="")
        return Sending(route.endpoint, headers, prepared, plan, grant)

    async def _started(self, recorder: Recorder, asked: Asked, *, sending: Sending | Refusal) -> UUID:
        try:
            return await recorder.start(asked)
        except BaseException:
            if isinstance(sending, Sending):
                sending.grant.release()
                sending.plan.abandoned()
            raise

    async def _relayed(
        self,
        scope: Scope,
        send: Send,
        *,
        route: "_Route",
        sending: Sending,
        recorder: Recorder,
        mark: tuple[bytes, bytes],
    ) -> "_Done":
        relay = Relay(
            provider=route.provider,
            sending=sending,
            recorder=recorder,
            pricer=self._ports.pricer,
            limits=self._limits,
            departure=scope["extensions"][EXTENSION],
            send=send,
            call_header=mark,
        )
        await relay.run(self._upstream)
        if relay.outcome.status == "error":
            _log_failure(relay, endpoint=route.endpoint, call_id=mark[1])
        ended = Ended(
            endpoint=route.endpoint,
            provider=relay.target.provider,
            model=sending.plan.model,
            http_status=relay.http_status,
            ttft_ms=recorder.ttft_ms,
            reading=relay.reading,
            cost_usd=relay.cost_usd,
            attempts=relay.trail.records(),
        )
        return _Done(relay.http_status, relay.outcome.status, model=self._metrics.ended(ended))

    async def _page(self, scope: Scope, receive: Receive, send: Send, *, page: Page) -> None:
        began = time.perf_counter()
        status = 500
        try:
            caller = await self._delivering(scope)
            if isinstance(caller, Refusal):
                status = await _refuse(send, caller)
                self._metrics.refused(caller.kind)
            else:
                with self._gate.inside():
                    status = await page(scope, receive, send, caller)
        finally:
            self._metrics.answered(scope["path"], status=status, seconds=time.perf_counter() - began)

    async def _delivering(self, scope: Scope) -> Caller | Refusal:
        """Who hands something in, or why nobody may now."""
        if (refusal := self._gate.refusal()) is not None:
            return refusal
        caller = self._ports.doors.identify(scope, provider=None)
        if isinstance(caller, Refusal):
            return caller
        return await self._ports.admission.admit_delivery(caller=caller) or caller

    async def _body(self, scope: Scope, receive: Receive, *, holding: Holding) -> tuple[bytes, int | None]:
        """The body, or none of it and the status to refuse it with."""
        limits = self._limits
        try:
            body = await read_body(
                receive,
                headers=scope["headers"],
                limit=limits.body_bytes,
                idle_seconds=limits.body_idle_seconds,
                take=holding.take,
                has_come=scope["extensions"][EXTENSION].has_sent_all,
            )
        except (BodyTooLargeError, TooMuchHeldError) as error:
            holding.is_unread = not error.is_read
            return b"", 503 if isinstance(error, TooMuchHeldError) else 413
        except TimeoutError:
            return b"", 408
        return body, None

    def _recorder(
        self, caller: Caller, *, route: "_Route", prepared: Prepared, holding: Holding, project: str | None
    ) -> Recorder:
        limits = self._limits
        return Recorder(
            self._spool,
            provider=route.provider,
            key=caller.secret,
            bounds=Bounds(
                part_seconds=limits.part_seconds,
                part_bytes=limits.part_bytes if prepared.is_streamed else limits.plain_part_bytes,
                held_bytes=limits.private_bytes,
                takes=holding.takes,
            ),
            keeping=self._ports.privacy.of(project),
        )

    async def _pass(self, scope: Scope, receive: Receive, send: Send, *, provider: Provider) -> None:
        """Forward without a record: lists of models, counts of tokens and the like."""
        began = time.perf_counter()
        status = 502
        call_header = call_id_header(uuid7())
        caller = self._ports.doors.identify(scope, provider=provider)
        try:
            if isinstance(caller, Refusal) or not caller.forwards_key:
                status = await self._listed(scope, send, provider=provider, caller=caller)
                return
            with self._gate.inside() as holding:
                asked, refused = await self._body(scope, receive, holding=holding)
            if refused is not None:
                status = refused
                await _refuse(send, _body_refusal(status, limits=self._limits), provider=provider)
                return
            async with await self._upstream.send(
                scope["method"],
                _upstream_url(provider, scope),
                headers=forwarded_request_headers(scope["headers"]),
                body=asked or None,
            ) as response:
                body = await response.read()
                status = response.status
                headers = forwarded_response_headers(response.raw_headers, keeps_length=True)
                head = {"type": "http.response.start", "status": status, "headers": [*headers, call_header]}
            await send(head)
            await send({"type": "http.response.body", "body": body})
        except ClientGoneError:
            status = 499
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            status = 504 if isinstance(error, TimeoutError) else 502
            message = f"the provider could not be reached: {type(error).__name__}"
            await _refuse(send, Refusal(status, "upstream_error", message), provider=provider)
        finally:
            self._metrics.answered("models", status=status, seconds=time.perf_counter() - began)

    async def _listed(self, scope: Scope, send: Send, *, provider: Provider, caller: Caller | Refusal) -> int:
        """The models that a key of ours may use; a key of ours never goes to a provider."""
        if isinstance(caller, Refusal):
            self._metrics.refused(caller.kind)
            return await _refuse(send, caller, provider=provider)
        names = self._ports.router.models(caller=caller, provider=provider) or ()
        page = listing(names, wire=provider.wire, path=scope["path"]) if scope["method"] == "GET" else None
        if page is None:
            message = f"there is no {scope['path'][:200]} for a key of this proxy"
            return await _refuse(send, Refusal(404, "not_found", message), provider=provider)
        mark = (call_id_header(uuid7()),)
        await send_bytes(send, page, status=200, content_type=b"application/json", headers=mark)
        return 200

    def _problem(self) -> str | None:
        """Why a load balancer should send its calls elsewhere."""
        if self._gate.is_draining:
            return "the proxy is stopping"
        return None if self._spool.is_accepting else "the spool's disk is almost full"

    async def _own_page(self, path: str, send: Send) -> None:
        mark = (call_id_header(uuid7()),)
        if path == "/healthz":
            await send_json(send, {"status": "ok"}, status=200, headers=mark)
        elif path == "/readyz":
            problem = self._problem()
            answer = {"status": problem or "ready"}
            await send_json(send, answer, status=503 if problem else 200, headers=mark)
        elif path == "/metrics":
            page = self._metrics.render(self._spool)
            await send_bytes(send, page, status=200, content_type=CONTENT_TYPE, headers=mark)
        else:
            await _refuse(send, Refusal(404, "not_found", f"there is no {path} here"))
            self._metrics.answered("other", status=404, seconds=0.0)


@dataclass(frozen=True, slots=True)
class _Route:
    """Whose dialect a recorded path speaks, and the path's bounded name."""

    provider: Provider
    endpoint: str


class _Done(msgspec.Struct, frozen=True):
    """The status the client got, and how the call ended; `refusal` is the kind of a refused one."""

    status: int
    outcome: str
    model: str = OTHER
    refusal: str | None = None


def _raw_path(scope: Scope) -> str:
    return (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")


def _upstream_url(provider: Provider, scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    url = provider.base_url + provider.upstream_path(_raw_path(scope))
    return f"{url}?{query}" if query else url


def _body_refusal(status: int, *, limits: Limits) -> Refusal:
    close = ((b"connection", b"close"),)
    if status == 413:
        message = f"the request is larger than {limits.body_bytes} bytes"
        return Refusal(413, "request_too_large", message, close)
    if status == 503:
        message = "the bodies of running calls fill the memory they may take"
        return Refusal(503, "overloaded", message, (*close, (b"retry-after", b"1")))
    return Refusal(408, "request_timeout", "the request body stopped coming", close)


def _observer(said: dict[str, str], caller: Caller) -> dict[str, str]:
    """What is said of a call beside it; what the caller's key says counts before any header."""
    if caller.project is None and caller.environment is None:
        return said
    known = {"project": caller.project, "environment": caller.environment}
    return said | {name: value for name, value in known.items() if value is not None}


def _asked(
    scope: Scope,
    *,
    route: _Route,
    caller: Caller,
    body: bytes,
    sending: Sending | Refusal,
    prepared: Prepared,
    observer: dict[str, str],
) -> Asked:
    is_refused = isinstance(sending, Refusal)
    return Asked(
        endpoint=route.endpoint,
        provider=route.provider.name if is_refused else sending.plan.first().provider,
        requested_model=prepared.requested_model,
        is_streamed=prepared.is_streamed,
        # Whoever is refused must not fill the disk.
        request=b"" if is_refused else body,
        observer=observer,
        purpose=read_purpose(scope["headers"]),
        key_id=caller.key_id,
        reserved={} if is_refused else sending.grant.reserved,
    )


def _outcome_of(refusal: Refusal) -> Outcome:
    """A call we do not take is a call all the same: it gets its row."""
    return Outcome(
        status="error", http_status=refusal.status, error_type=refusal.kind, error_message=refusal.message
    )


def _log_failure(relay: Relay, *, endpoint: str, call_id: bytes) -> None:
    """The facts of a failed call; its message may repeat the prompt and stands in the row alone."""
    facts = {
        "call_id": call_id.decode(),
        "endpoint": endpoint,
        "target": relay.target.name,
        "status": relay.http_status,
        "error_type": relay.outcome.error_type,
        "attempts": len(relay.trail),
    }
    logger.info("a call failed", extra=facts)


async def _refused(
    send: Send,
    refusal: Refusal,
    *,
    provider: Provider,
    mark: tuple[bytes, bytes] | None = None,
    unread: Receive | None = None,
) -> _Done:
    status = await _refuse(send, refusal, provider=provider, mark=mark, unread=unread)
    return _Done(status, "refused", refusal=refusal.kind)


async def _refuse(
    send: Send,
    refusal: Refusal,
    *,
    provider: Provider | None = None,
    mark: tuple[bytes, bytes] | None = None,
    unread: Receive | None = None,
) -> int:
    """Say no in the shape the client's library reads; the status said."""
    body = (
        msgspec.json.encode(error_body(refusal.message, kind=refusal.kind))
        if provider is None
        else provider.error_body(refusal.message, kind=refusal.kind, status=refusal.status)
    )
    headers = (mark or call_id_header(uuid7()), *refusal.headers)
    kind = b"application/json"
    await send_bytes(send, body, status=refusal.status, content_type=kind, headers=headers, unread=unread)
    return refusal.status
