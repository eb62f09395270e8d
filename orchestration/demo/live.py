"""Live calls through the real proxy with the real SDK: some plain, some streamed, some that fail."""

import asyncio
import secrets
from dataclasses import dataclass
from random import Random

import openai

from orchestration.demo.models import MODELS
from orchestration.demo.tasks import TASKS, Language, request_body


@dataclass(frozen=True, slots=True)
class LiveCalls:
    """How the live calls ended, as the client saw it."""

    n_ok: int
    n_failed: int


async def make_calls(
    base_url: str,
    *,
    n_calls: int,
    model: str | None = None,
    api_key: str,
) -> LiveCalls:
    """Send `n_calls` through the proxy at `base_url` (with `/v1`), eight at a time, every third streamed.

    `model` names one model for all (a real provider's); otherwise the simulated ones take turns.
    Provider errors are counted, not raised: the proxy's log of them is part of what the demo shows.
    """
    run = secrets.token_hex(4)
    gate = asyncio.Semaphore(8)
    async with openai.AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=60) as client:

        async def call(number: int) -> bool:
            async with gate:
                return await _call(client, number, run=run, model=model)

        outcomes = await asyncio.gather(*(call(number) for number in range(n_calls)))
    return LiveCalls(n_ok=sum(outcomes), n_failed=len(outcomes) - sum(outcomes))


async def _call(client: openai.AsyncOpenAI, number: int, *, run: str, model: str | None) -> bool:
    rng = Random(f"{run}:{number}")
    task, language = TASKS[number % len(TASKS)], _language(rng)
    chosen = model or rng.choices(MODELS, [each.share for each in MODELS])[0].name
    body = request_body(task, task.ask(rng, language), model=chosen, stream=number % 3 == 0)
    headers = {
        "x-lqo-project": "shop",
        "x-lqo-environment": "demo-live",
        "x-lqo-user": f"user-{rng.randrange(40):02d}",
        "x-lqo-prompt-name": task.name,
        "x-lqo-prompt-version": "1",
        "x-lqo-purpose": "demo",
    }
    try:
        answer = await client.chat.completions.create(**body, extra_headers=headers)
        if body.get("stream"):
            async for _ in answer:
                pass
    except openai.APIError:
        return False
    return True


def _language(rng: Random) -> Language:
    return "ko" if rng.random() < 0.35 else "en"
