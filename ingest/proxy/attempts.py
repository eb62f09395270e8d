"""The attempts of one call: which targets were asked, until one answered, and what END records of them."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec

from ingest.providers.base import Prepared, Provider, Reading
from ingest.proxy.http import header, without_secrets
from ingest.proxy.ports import Failure, Grant, Plan, Target
from ingest.proxy.upstream import Upstream
from ingest.proxy.used import Used, usage_of_failed

RETRIABLE = frozenset({408, 429})
BROKE_OFF = frozenset({"upstream_error", "upstream_timeout"})
_LONGEST_WAIT = 3600.0


class Sending(msgspec.Struct, frozen=True):
    """A request ready to go upstream: to the targets of `plan`, under `grant`.

    `headers` are the client's own; a target with a secret of its own gets that instead of the client's key.
    """

    endpoint: str
    headers: list[tuple[str, str]]
    prepared: Prepared
    plan: Plan
    grant: Grant


class Trail:
    """Attempts in order; the last one may still be running."""

    def __init__(self) -> None:
        self._made: list[dict[str, Any]] = []
        self._began = 0.0

    def __len__(self) -> int:
        return len(self._made)

    def begin(self, target: Target, *, model: str) -> None:
        self._began = time.perf_counter()
        self._made.append(
            {"provider": target.provider, "model": model, "started_at": datetime.now(UTC).isoformat()}
        )

    def end(self, *, status: int | None, error_type: str | None = None) -> None:
        """The last attempt is over; said again at the end of its answer, what was known of it stays."""
        if self._made:
            last = self._made[-1]
            last["status"] = status if status is not None else last.get("status")
            last["error_type"] = last.get("error_type") or error_type
            last["latency_ms"] = round((time.perf_counter() - self._began) * 1000, 3)

    def used(self, usage: dict[str, Any]) -> None:
        """The last attempt, which failed, says that it used this all the same."""
        if self._made:
            self._made[-1]["usage"] = usage

    def records(self) -> tuple[dict[str, Any], ...]:
        return tuple(self._made)


class Attempts:
    """Asks one target after the other until one answers. `is_wanted` tells whether anybody still waits.

    It is set by the relay, not asked of it: a function would close a ring of 40 objects a call, which only
    the garbage collector could undo, in pauses of 18 ms.
    """

    def __init__(self, sending: Sending, *, provider: Provider) -> None:
        self._sending = sending
        self._provider = provider
        self.is_wanted = True
        self._ahead: bytes | None = None
        self._is_answered = False
        self._model = sending.prepared.requested_model
        self.trail = Trail()
        self.target = sending.plan.first()
        self.failed: list[Used] = []
        """Attempts before the last one that say a usage; their targets name the model that was asked."""

    async def answer(self, upstream: Upstream) -> aiohttp.ClientResponse:
        """The answer of the first target that does, else of the last one tried.

        Raises aiohttp.ClientError, OSError or TimeoutError where the last one gave none.
        """
        while True:
            response: aiohttp.ClientResponse | None = None
            try:
                response = await self._ask(upstream, self.target)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                failure = failure_from(error)
                if not self._goes_on(failure):
                    raise
            else:
                if not may_pass(response.status):
                    self._is_answered = True
                    self._sending.plan.answered(self.target, status=response.status)
                    return response
                failed = self.target
                if not self._goes_on(failure_of(response)):
                    return response
                await self._note_usage(response, target=failed)

    async def read(self, response: aiohttp.ClientResponse) -> bytes:
        """The next bytes of the answer; none at its end."""
        if self._ahead is None:
            return await response.content.readany()
        ahead, self._ahead = self._ahead, None
        return ahead

    def ended(self, reading: Reading | None, *, broke_off: str | None) -> None:
        """The answer is over; `broke_off` says how it failed if it did."""
        if self._is_answered:
            failure = None if broke_off is None else Failure(status=None, error_type=broke_off)
            self._sending.plan.ended(self.target, reading=reading, failure=failure)

    def _goes_on(self, failure: Failure) -> bool:
        """Whether there is another target to ask; it then is `target`."""
        self.trail.end(status=failure.status, error_type=failure.error_type)
        # Nobody waits for a second answer to a client that has gone, nor would anybody want to pay for it.
        following = self._sending.plan.after(self.target, failure) if self.is_wanted else None
        self.target = following or self.target
        return following is not None

    async def _note_usage(self, response: aiohttp.ClientResponse, *, target: Target) -> None:
        if (usage := await usage_of_failed(response, provider=self._provider)) is None:
            return
        self.trail.used(usage)
        self.failed.append(Used(replace(target, model=self._model or None), Reading(usage=usage)))

    async def _ask(self, upstream: Upstream, target: Target) -> aiohttp.ClientResponse:
        """The target's answer, within its deadline. That bounds the wait for the first byte of the body, too,
        which then stands in `_ahead`: a provider may send its head at once and nothing after it."""
        prepared, headers = self._sending.prepared.taken_by(target.provider), self._sending.headers
        if target.model is not None and target.model != prepared.requested_model:
            prepared = self._provider.with_model(prepared, model=target.model)
        if target.secret_header is not None:
            headers = [*without_secrets(headers), target.secret_header]
        url = target.base_url + prepared.path_below(forwards_key=target.secret_header is None)
        self._model = prepared.requested_model
        self.trail.begin(target, model=self._model)
        if target.deadline_seconds is None:
            return await upstream.send("POST", url, headers=headers, body=prepared.body)
        async with asyncio.timeout(target.deadline_seconds):
            response = await upstream.send("POST", url, headers=headers, body=prepared.body)
            if response.status < 400:
                try:
                    self._ahead = await response.content.readany()
                except BaseException:
                    response.close()
                    raise
        return response


def may_pass(status: int) -> bool:
    """Whether another target may do better: throttled, timed out, or the provider's own failure."""
    return status in RETRIABLE or status >= 500


def failure_of(response: aiohttp.ClientResponse) -> Failure:
    """What a failed answer says, with its Retry-After in seconds."""
    return Failure(
        status=response.status,
        error_type=f"http_{response.status}",
        retry_after_seconds=_retry_after(header(response.raw_headers, b"retry-after")),
    )


def failure_from(error: BaseException) -> Failure:
    """What the absence of an answer says."""
    return Failure(status=None, error_type=failure_kind(error))


def failure_kind(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "upstream_timeout"
    return "upstream_error" if isinstance(error, aiohttp.ClientError | OSError) else "proxy_error"


def _retry_after(value: bytes) -> float | None:
    """Seconds from delta-seconds or an HTTP date (RFC 9110, 10.2.3), at most an hour."""
    text = value.decode("latin-1").strip()
    if text.isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        wait = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT)
