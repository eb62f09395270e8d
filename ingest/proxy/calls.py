"""The way of one recorded call: from its caller and its body to the relay, or to the reason why not."""

import logging
import time
from dataclasses import dataclass
from uuid import UUID

import msgspec

from ingest.providers.base import Prepared, Provider
from ingest.proxy.departure import EXTENSION
from ingest.proxy.gate import Holding
from ingest.proxy.http import (
    ClientGoneError,
    Receive,
    Scope,
    Send,
    call_id_header,
    forwarded_request_headers,
    raw_path,
    without_secrets,
)
from ingest.proxy.metrics import Ended
from ingest.proxy.model_names import OTHER
from ingest.proxy.observer import read_observer, read_purpose
from ingest.proxy.ports import Caller, Refusal
from ingest.proxy.recorder import Asked, Bounds, Outcome, Recorder
from ingest.proxy.refusing import body_refusal, refuse, take_body
from ingest.proxy.relay import Relay, Sending
from ingest.proxy.works import Works
from ingest.spool.writer import SpoolRefusedError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """Whose dialect a recorded path speaks, and the path's bounded name."""

    provider: Provider
    endpoint: str


class Calls:
    """Runs calls of recorded endpoints; one for all of a proxy's calls."""

    def __init__(self, works: Works) -> None:
        self._works = works

    async def run(self, scope: Scope, receive: Receive, send: Send, *, route: Route) -> None:
        """Answer one call, counted however it ends."""
        began = time.perf_counter()
        self._works.metrics.began()
        done = _Done(500, "error")
        try:
            if (refusal := self._works.gate.refusal()) is not None:
                done = await _refused(send, refusal, provider=route.provider)
                return
            with self._works.gate.inside() as holding:
                done = await self._recorded(scope, receive, send, route=route, holding=holding)
        finally:
            seconds = time.perf_counter() - began
            self._works.metrics.answered(
                route.endpoint, status=done.status, seconds=seconds, model=done.model
            )
            self._works.metrics.over(route.endpoint, outcome=done.outcome)
            if done.refusal is not None:
                self._works.metrics.refused(done.refusal)

    async def _recorded(
        self, scope: Scope, receive: Receive, send: Send, *, route: Route, holding: Holding
    ) -> "_Done":
        """Run one call."""
        provider = route.provider
        if scope["method"] != "POST":
            refusal = Refusal(405, "method_not_allowed", "this endpoint takes POST")
            return await _refused(send, refusal, provider=provider)
        caller = self._works.ports.doors.identify(scope, provider=provider)
        if isinstance(caller, Refusal):
            return await _refused(send, caller, provider=provider)
        try:
            body, status = await take_body(scope, receive, limits=self._works.limits, holding=holding)
            query = scope["query_string"].decode("latin-1")
            prepared = provider.prepare(body, path=raw_path(scope), query=query)
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
        route: Route,
        caller: Caller,
        prepared: Prepared,
        said: dict[str, str],
        refused: int | None,
    ) -> Sending | Refusal:
        """Where the call goes and under which leave, or why it goes nowhere."""
        if refused is not None:
            return body_refusal(refused, limits=self._works.limits)
        if prepared.problem is not None:
            return Refusal(400, "invalid_request", prepared.problem)
        plan = self._works.ports.router.plan(caller=caller, provider=route.provider, prepared=prepared)
        if isinstance(plan, Refusal):
            return plan
        grant = await self._works.ports.admission.admit(
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
        route: Route,
        sending: Sending,
        recorder: Recorder,
        mark: tuple[bytes, bytes],
    ) -> "_Done":
        relay = Relay(
            provider=route.provider,
            sending=sending,
            recorder=recorder,
            pricer=self._works.ports.pricer,
            limits=self._works.limits,
            departure=scope["extensions"][EXTENSION],
            send=send,
            call_header=mark,
        )
        await relay.run(self._works.upstream)
        if relay.outcome.status == "error":
            _log_failure(relay, endpoint=route.endpoint, call_id=mark[1])
        ended = Ended(
            endpoint=route.endpoint,
            model=sending.plan.model,
            http_status=relay.http_status,
            ttft_ms=recorder.ttft_ms,
            reading=relay.reading,
            used=relay.used,
            attempts=relay.trail.records(),
        )
        return _Done(relay.http_status, relay.outcome.status, model=self._works.metrics.ended(ended))

    def _recorder(
        self, caller: Caller, *, route: Route, prepared: Prepared, holding: Holding, project: str | None
    ) -> Recorder:
        limits = self._works.limits
        return Recorder(
            self._works.spool,
            provider=route.provider,
            key=caller.secret,
            bounds=Bounds(
                part_seconds=limits.part_seconds,
                part_bytes=limits.part_bytes if prepared.is_streamed else limits.plain_part_bytes,
                held_bytes=limits.private_bytes,
                takes=holding.takes,
            ),
            keeping=self._works.ports.privacy.of(project),
        )


class _Done(msgspec.Struct, frozen=True):
    """The status the client got, and how the call ended; `refusal` is the kind of a refused one."""

    status: int
    outcome: str
    model: str = OTHER
    refusal: str | None = None


def _observer(said: dict[str, str], caller: Caller) -> dict[str, str]:
    """What is said of a call beside it; what the caller's key says counts before any header."""
    if caller.project is None and caller.environment is None:
        return said
    known = {"project": caller.project, "environment": caller.environment}
    return said | {name: value for name, value in known.items() if value is not None}


def _asked(
    scope: Scope,
    *,
    route: Route,
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
    status = await refuse(send, refusal, provider=provider, mark=mark, unread=unread)
    return _Done(status, "refused", refusal=refusal.kind)
