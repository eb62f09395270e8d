"""Talking to an OpenAI-compatible endpoint: attempts, waits, weaker forms, and when to give up.

The retry loop is our own and the client's is off: it must tell every attempt, let one `Retry-After` hold back
all calls at once, and end the run, not each of a million calls, where no call can succeed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from evaluators.judging.exchanges import Attempt, Exchange, error_status, read_document
from evaluators.judging.forms import STEPS, first_step, next_step, response_format
from evaluators.judging.judge import Output
from evaluators.judging.retrying import Pause, RetryPolicy, hopeless, is_retried, retry_after

if TYPE_CHECKING:
    import openai


class EndpointError(RuntimeError):
    """No call to this endpoint can succeed now (key, model, quota, a pause too long); one line."""


class _Answer(NamedTuple):
    attempt: Attempt
    request: bytes
    body: bytes
    headers: Mapping[str, str]

    @property
    def status(self) -> int | None:
        return self.attempt.status


@dataclass(slots=True)
class JudgeClient:
    """One endpoint, for as many calls at once as there are callers; it keeps nothing of a call."""

    openai: "openai.AsyncOpenAI"
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    random: Random = field(default_factory=Random)
    pause: Pause = field(default_factory=Pause)
    steps: dict[str, str] = field(default_factory=dict[str, str])
    """By model the form that the endpoint has not refused yet."""

    async def chat(
        self, body: Mapping[str, Any], *, name: str, schema: Mapping[str, Any], output: Output = "auto"
    ) -> Exchange:
        """Ask for one chat completion in the form of `schema`, as often as the policy allows.

        `body` holds the request but for its `response_format`. Returns the last exchange, whatever it holds;
        raises EndpointError where no other call could do better.
        """
        attempts: list[Attempt] = []
        tries = 0
        while True:
            step = self._step(body["model"], output)
            await self.pause.over(self.random)
            answer = await self._attempt({**body, **response_format(step, name=name, schema=schema)})
            attempts.append(answer.attempt)
            weaker = next_step(step, status=answer.status, body=answer.body) if output == "auto" else None
            if weaker:
                # The weakest so far: calls that began earlier may be refused later.
                self.steps[body["model"]] = max(weaker, self._step(body["model"], output), key=STEPS.index)
                continue
            tries += 1
            if not self._is_worth_more(answer, tries=tries):
                return Exchange(answer.request, answer.body, tuple(attempts), step)
            await asyncio.sleep(self.retry.wait(tries, random=self.random))

    def _step(self, model: str, output: Output) -> str:
        first = first_step(output)
        return self.steps.get(model, first) if output == "auto" else first

    async def _attempt(self, body: Mapping[str, Any]) -> _Answer:
        import openai

        began, started_at = time.perf_counter(), datetime.now(UTC)

        def told(status: int | None, error: str | None = None) -> Attempt:
            return Attempt(started_at, (time.perf_counter() - began) * 1_000, status, error)

        try:
            raw = await self.openai.chat.completions.with_raw_response.create(**body)
        except openai.APIStatusError as error:
            failed = error.response
            return _Answer(told(failed.status_code), failed.request.content, failed.content, failed.headers)
        except openai.APITimeoutError as error:
            return _Answer(told(None, "timeout"), error.request.content, b"", {})
        except openai.APIConnectionError as error:
            why = type(error.__cause__ or error).__name__
            return _Answer(told(None, f"no answer ({why})"), error.request.content, b"", {})
        answer = raw.http_response
        inner = error_status(read_document(answer.content)) if b'"error"' in answer.content else None
        return _Answer(
            told(inner or answer.status_code), answer.request.content, answer.content, answer.headers
        )

    def _is_worth_more(self, answer: _Answer, *, tries: int) -> bool:
        """Whether to try again; tells all callers of a pause that the answer asks for."""
        if answer.status is not None and answer.status < 300:
            return False
        if answer.status is None and not self.retry.retries_unanswered:
            return False
        why = hopeless(
            answer.status,
            headers=answer.headers,
            body=answer.body,
            longest_pause_s=self.retry.longest_pause_s,
        )
        if why:
            raise EndpointError(why)
        if (seconds := retry_after(answer.headers)) is not None:
            self.pause.extend(seconds)
        return tries < self.retry.attempts and is_retried(answer.status, answer.headers)


@asynccontextmanager
async def open_client(
    *, base_url: str, api_key: str | None, retry: RetryPolicy | None = None
) -> AsyncIterator[JudgeClient]:
    """A client for an OpenAI-compatible base URL (with its `/v1`); `api_key` None where it needs none."""
    import openai

    policy = retry or RetryPolicy()
    async with openai.AsyncOpenAI(
        base_url=base_url, api_key=api_key or "none", max_retries=0, timeout=policy.timeout_s
    ) as opened:
        yield JudgeClient(opened, retry=policy)
