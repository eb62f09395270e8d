"""Many calls: how many at once, who pulls when, what a stop or a failure leaves behind."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from evaluators.judging.asking import Judgement, ask
from evaluators.judging.client import EndpointError
from evaluators.judging.items import JudgeItem
from evaluators.judging.running import FEWEST_FAILURES, run
from tests.evaluators.judging.samples import client_of, item, spec, stream
from tests.judge_endpoint import (
    JudgeEndpoint,
    Reply,
    error,
    every,
    judge_endpoint_in_thread,
    running_judge_endpoint,
)


@pytest.fixture
async def endpoint() -> AsyncIterator[JudgeEndpoint]:
    async with running_judge_endpoint() as running:
        yield running


def items(count: int) -> list[JudgeItem]:
    return [item(f"answer {number}", number=number) for number in range(count)]


class Collected:
    """An `on_done` that keeps what it gets."""

    def __init__(self) -> None:
        self.all: list[Judgement] = []

    async def __call__(self, judgement: Judgement) -> None:
        self.all.append(judgement)


async def judge(endpoint: JudgeEndpoint, asked: Any, **given: Any) -> Any:
    """A run over `asked` (a list or a stream) with eight workers and whatever is given otherwise."""
    pending = stream(asked) if isinstance(asked, list) else asked
    defaults: dict[str, Any] = {"spec": spec(), "concurrency": 8, "on_done": Collected()}
    async with client_of(endpoint) as client:
        return await run(pending, client=client, **(defaults | given))


async def test_every_item_is_judged_once_and_handed_on_once(endpoint: JudgeEndpoint) -> None:
    done = Collected()
    tally = await judge(endpoint, items(50), on_done=done)
    assert sorted(judgement.call_id for judgement in done.all) == [one.call_id for one in items(50)]
    assert tally.outcomes == Counter(scored=50)
    assert (tally.requests, tally.reused, endpoint.paid) == (50, 0, 50)


async def test_calls_in_flight_reach_the_limit_and_never_pass_it(endpoint: JudgeEndpoint) -> None:
    endpoint.latency_s = 0.05
    await judge(endpoint, items(40), concurrency=7)
    assert endpoint.most_in_flight == 7


async def test_an_item_is_pulled_only_when_a_worker_is_free(endpoint: JudgeEndpoint) -> None:
    pulled = done = 0
    furthest = 0

    async def pending() -> AsyncIterator[JudgeItem]:
        nonlocal pulled
        for one in items(60):
            pulled += 1
            yield one

    async def on_done(judgement: Judgement) -> None:
        nonlocal done, furthest
        furthest = max(furthest, pulled - done)
        done += 1

    await judge(endpoint, pending(), concurrency=4, on_done=on_done)
    assert furthest <= 4


async def test_memory_does_not_grow_with_what_is_pending() -> None:
    """Unscored items need no endpoint, so many of them pass in a second."""

    async def pending(count: int) -> AsyncIterator[JudgeItem]:
        for number in range(count):
            yield item("", number=number)

    async def ignored(judgement: Judgement) -> None:
        pass

    async def peak(count: int) -> int:
        gc.collect()
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        await judge(JudgeEndpoint(url="http://127.0.0.1:9/v1"), pending(count), on_done=ignored)
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        await peak(100)
        few, many = await peak(100), await peak(10_000)
    finally:
        tracemalloc.stop()
    assert many < few + 200_000


async def test_a_mixed_run_counts_each_outcome(endpoint: JudgeEndpoint) -> None:
    endpoint.answer = every(5, Reply("no verdict"))
    asked = [*items(20), item("", number=90), item(models=("judge-1",), number=91)]
    tally = await judge(endpoint, asked)
    assert tally.outcomes == Counter(scored=16, parse_error=4, not_applicable=1, same_model=1)


async def test_the_same_content_in_flight_is_paid_for_once(endpoint: JudgeEndpoint) -> None:
    endpoint.latency_s = 0.05
    done = Collected()
    tally = await judge(endpoint, [item(number=number) for number in range(8)], on_done=done)
    assert endpoint.paid == 1
    assert (tally.reused, tally.outcomes) == (7, Counter(scored=8))
    assert len({judgement.call_id for judgement in done.all}) == 8
    assert len({judgement.value for judgement in done.all}) == 1
    assert sum(bool(judgement.attempts) for judgement in done.all) == 1


async def test_a_verdict_that_can_be_recalled_is_not_paid_for_again(endpoint: JudgeEndpoint) -> None:
    kept: dict[bytes, Judgement] = {}

    async def recall(one: JudgeItem) -> Judgement | None:
        return kept.get(one.content_hash)

    async def keep(judgement: Judgement) -> None:
        await asyncio.sleep(0)
        kept[judgement.content_hash] = judgement

    twice = [item(f"answer {number % 10}", number=number) for number in range(40)]
    await judge(endpoint, twice, on_done=keep, recall=recall)
    assert endpoint.paid == 10
    await judge(endpoint, twice, on_done=keep, recall=recall)
    assert endpoint.paid == 10


async def test_a_twin_judged_by_its_own_model_does_not_spoil_the_verdict_of_another(
    endpoint: JudgeEndpoint,
) -> None:
    endpoint.answer = lambda body: Reply(model="served-1", delay_s=0.05)
    done = Collected()
    await judge(endpoint, [item(models=("served-1",), number=1), item(models=("x",), number=2)], on_done=done)
    outcomes = {judgement.call_id[-1]: judgement.unscored_reason for judgement in done.all}
    assert outcomes == {"1": "same_model", "2": None}


async def test_a_broken_key_ends_the_run_and_what_was_in_flight_is_still_handed_on(
    endpoint: JudgeEndpoint,
) -> None:
    endpoint.script.extend([Reply(delay_s=0.3), Reply(delay_s=0.3), error(401, message="bad key")])
    done = Collected()
    with pytest.raises(EndpointError, match="401"):
        await judge(endpoint, items(1_000), concurrency=3, on_done=done)
    assert len(done.all) == 2
    assert endpoint.requests == 3


async def test_an_endpoint_that_is_down_ends_the_run_before_every_item_has_failed() -> None:
    done = Collected()
    with pytest.raises(EndpointError, match="in a row failed"):
        await judge(JudgeEndpoint(url="http://127.0.0.1:9/v1"), items(1_000), on_done=done)
    assert FEWEST_FAILURES <= len(done.all) <= FEWEST_FAILURES + 8
    assert {judgement.unscored_reason for judgement in done.all} == {"error"}


async def test_errors_now_and_then_do_not_end_a_run(endpoint: JudgeEndpoint) -> None:
    endpoint.answer = every(2, error(400, message="this one not"))
    tally = await judge(endpoint, items(60), concurrency=1)
    assert tally.outcomes == Counter(scored=30, error=30)


async def test_a_failing_writer_ends_the_run_with_its_own_error(endpoint: JudgeEndpoint) -> None:
    async def broken(judgement: Judgement) -> None:
        raise OSError("the database is down")

    with pytest.raises(OSError, match="database is down"):
        await judge(endpoint, items(1_000), on_done=broken)
    assert endpoint.paid <= 8


async def test_a_failing_stream_of_items_ends_the_run_after_what_is_in_flight(
    endpoint: JudgeEndpoint,
) -> None:
    endpoint.latency_s = 0.05

    async def pending() -> AsyncIterator[JudgeItem]:
        for one in items(5):
            yield one
        raise ValueError("unreadable body")

    done = Collected()
    with pytest.raises(ValueError, match="unreadable body"):
        await judge(endpoint, pending(), on_done=done)
    assert len(done.all) == 5


async def test_a_cancelled_run_leaves_nothing_running_and_has_paid_for_no_more_than_was_in_flight(
    endpoint: JudgeEndpoint,
) -> None:
    endpoint.latency_s = 0.05
    done, enough = Collected(), asyncio.Event()

    async def on_done(judgement: Judgement) -> None:
        await done(judgement)
        if len(done.all) == 20:
            enough.set()

    running = asyncio.create_task(judge(endpoint, items(1_000), concurrency=6, on_done=on_done))
    await enough.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert endpoint.paid - len(done.all) <= 6
    assert not [task for task in asyncio.all_tasks() if "worker" in repr(task)]


CHILD = """
import asyncio, sys
from evaluators.judging.client import open_client
from evaluators.judging.running import run
from tests.evaluators.judging.samples import item, spec, stream

async def on_done(judgement):
    print(judgement.call_id, flush=True)

async def main():
    async with open_client(base_url=sys.argv[1], api_key="x") as client:
        items = stream(item(f"answer {n}", number=n) for n in range(10_000))
        await run(items, spec=spec(), client=client, concurrency=5, on_done=on_done)

asyncio.run(main())
"""


def test_killed_in_the_middle_no_more_is_paid_in_vain_than_was_in_flight() -> None:
    with judge_endpoint_in_thread(JudgeEndpoint(latency_s=0.02)) as endpoint:
        command = [sys.executable, "-c", CHILD, endpoint.url]
        root = Path(__file__).parents[3]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(40)]
        os.kill(child.pid, signal.SIGKILL)
        told += child.stdout.read().splitlines()
        child.wait()
        child.stdout.close()
    assert len(told) >= 40
    assert endpoint.paid - len(told) <= 5


async def test_no_worker_is_no_run(endpoint: JudgeEndpoint) -> None:
    with pytest.raises(ValueError, match="concurrency 0"):
        await judge(endpoint, items(1), concurrency=0)


async def test_a_run_over_nothing_does_nothing(endpoint: JudgeEndpoint) -> None:
    tally = await judge(endpoint, [])
    assert (tally.outcomes, endpoint.requests) == (Counter(), 0)


async def test_a_client_serves_two_judges_at_once(endpoint: JudgeEndpoint) -> None:
    async with client_of(endpoint) as client:
        one, other = await asyncio.gather(
            ask(client, spec("tone"), item()), ask(client, spec("safety"), item())
        )
    assert (one.evaluator, other.evaluator) == ("tone", "safety")
