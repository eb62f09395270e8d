"""The judge against a mock endpoint of 500 ms: throughput, our own CPU a call, memory with a million pending.

    python tests/benchmarks/bench_judge.py [--calls N] [--runs N] [--concurrency N] [--latency S]

The mock is a process of its own. In turns, in this one process: the bare `openai` client with 64 workers and
prompts made beforehand, which reads no answer, and our run over items (prompt, request, answer, verdict).
Throughput is a share of the ideal rate, concurrency / latency. Our CPU a call is measured inside our runs:
each step of our workers is clocked, less the steps of the client's own coroutine within. Memory is the
peak of a fresh process that judges 2,000 calls of as many pending ones, of 1,000,000 pending ones, and that
lets 1,000,000 through which nobody need be asked about.
"""

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluators.judging.asking import Judgement, request_body
from evaluators.judging.client import open_client
from evaluators.judging.forms import response_format
from evaluators.judging.items import JudgeItem, Message
from evaluators.judging.judge import JudgeSpec
from evaluators.judging.protocol import SCHEMA
from evaluators.judging.rubrics import shipped_rubrics
from evaluators.judging.running import run

ROOT = Path(__file__).resolve().parents[2]
AT = datetime(2026, 3, 1, tzinfo=UTC)
SPEC = JudgeSpec(shipped_rubrics()["helpfulness"], "judge-1")
QUESTION = "How do I keep a sourdough starter alive while I am away for three weeks? " * 8
ANSWER = "Feed it, let it rise by half, and put it in the fridge; a stiff starter lasts longer. " * 18
MEASURED = 2_000
PENDING = 1_000_000


class Taken(NamedTuple):
    clock_s: float
    processor_s: float
    own_s: float = 0


class Clocked(Coroutine[Any, Any, Any]):
    """A coroutine whose steps add up their processor time, whoever drives it."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], seconds: list[float]) -> None:
        self._coroutine, self._seconds = coroutine, seconds

    def send(self, value: Any) -> Any:
        return self._step(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._coroutine.throw, *error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> "Clocked":
        return self

    def __iter__(self) -> "Clocked":
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def _step(self, step: Callable[..., Any], *given: Any) -> Any:
        began = time.thread_time()
        try:
            return step(*given)
        finally:
            self._seconds[0] += time.thread_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=1_920)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.5)
    parser.add_argument("--speed-alone", action="store_true", help="leave memory out")
    parser.add_argument("--memory-of", nargs=3, metavar=("URL", "PENDING", "KIND"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory_of:
        url, pending, kind = given.memory_of
        asyncio.run(judge_some(url, pending=int(pending), is_asked=kind == "asked"))
        print(highest_memory())
        return
    with mock(latency_s=given.latency) as url:
        speed(url, calls=given.calls, runs=given.runs, concurrency=given.concurrency, latency_s=given.latency)
    if not given.speed_alone:
        memory()


def speed(url: str, *, calls: int, runs: int, concurrency: int, latency_s: float) -> None:
    bare, ours = list[Taken](), list[Taken]()
    asyncio.run(judge_all(url, calls=concurrency, concurrency=concurrency))
    for _ in range(runs):
        bare.append(asyncio.run(ask_bare(url, calls=calls, concurrency=concurrency)))
        ours.append(asyncio.run(judge_all(url, calls=calls, concurrency=concurrency)))
    ideal = concurrency / latency_s
    for name, taken in (("the bare client", bare), ("the judge", ours)):
        rates = [calls / one.clock_s for one in taken]
        cpu = statistics.median(one.processor_s for one in taken) / calls * 1_000
        print(
            f"{name}: {statistics.median(rates):.1f} calls/s ({min(rates):.1f}-{max(rates):.1f}), "
            f"{statistics.median(rates) / ideal:.3f} of the ideal {ideal:.0f}/s; {cpu:.2f} ms CPU a call"
        )
    own = [one.own_s / calls * 1_000 for one in ours]
    told = ", ".join(f"{one:.3f}" for one in own)
    print(f"our own CPU a call: {statistics.median(own):.3f} ms (of the runs: {told})")


def memory() -> None:
    with mock(latency_s=0.02) as url:
        peaks = {
            f"{MEASURED:,} judged of {MEASURED:,} pending": peak(url, MEASURED, "asked"),
            f"{MEASURED:,} judged of {PENDING:,} pending": peak(url, PENDING, "asked"),
            f"{PENDING:,} pending, none worth asking": peak(url, PENDING, "unasked"),
        }
    for name, kilobytes in peaks.items():
        print(f"peak memory, {name}: {kilobytes / 1024:.1f} MB")


def highest_memory() -> int:
    """Kilobytes; not `ru_maxrss`, which a process inherits from the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def peak(url: str, pending: int, kind: str) -> int:
    """Kilobytes of a fresh process at its highest."""
    command = [sys.executable, __file__, "--memory-of", url, str(pending), kind]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@contextlib.contextmanager
def mock(*, latency_s: float) -> Iterator[str]:
    """The simulated judge as a process; yields its URL."""
    command = [sys.executable, "-m", "tests.judge_endpoint", "--latency", str(latency_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def item(number: int, *, answer: str = ANSWER) -> JudgeItem:
    return JudgeItem(
        call_id=f"00000000-0000-7000-8000-{number:012d}",
        started_at=AT,
        conversation=(Message("user", f"{QUESTION}({number})"),),
        answer=answer,
        models=("model-a", "model-a-2026-01-01"),
    )


async def items(count: int, *, answer: str = ANSWER) -> AsyncIterator[JudgeItem]:
    for number in range(count):
        yield item(number, answer=answer)


async def ignore(judgement: Judgement) -> None:
    pass


async def judge_all(url: str, *, calls: int, concurrency: int) -> Taken:
    """Our run; what it takes itself is the time of its workers without that of the client within them."""
    workers, clients = [0.0], [0.0]

    def task(loop: asyncio.AbstractEventLoop, coroutine: Any, **given: Any) -> "asyncio.Task[Any]":
        is_worker = getattr(coroutine, "__qualname__", "").endswith("_Run.worker")
        return asyncio.Task(Clocked(coroutine, workers) if is_worker else coroutine, loop=loop, **given)

    asyncio.get_running_loop().set_task_factory(task)
    async with open_client(base_url=url, api_key="x") as client:
        completions = client.openai.chat.completions.with_raw_response
        create = completions.create
        completions.create = lambda **body: Clocked(create(**body), clients)  # type: ignore[method-assign]
        began = Taken(time.perf_counter(), time.process_time())
        tally = await run(items(calls), spec=SPEC, client=client, concurrency=concurrency, on_done=ignore)
        taken = Taken(
            time.perf_counter() - began.clock_s,
            time.process_time() - began.processor_s,
            workers[0] - clients[0],
        )
    assert tally.outcomes == {"scored": calls}, tally.outcomes
    assert clients[0] > 0
    return taken


async def ask_bare(url: str, *, calls: int, concurrency: int) -> Taken:
    """The same requests by the client alone."""
    form = response_format("json_schema", name="verdict", schema=SCHEMA)
    bodies = [{**request_body(SPEC, item(number)), **form} for number in range(calls)]
    pending = iter(bodies)
    async with open_client(base_url=url, api_key="x") as client:
        create = client.openai.chat.completions.with_raw_response.create

        async def worker() -> None:
            for body in pending:
                await create(**body)

        began = Taken(time.perf_counter(), time.process_time())
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
        return Taken(time.perf_counter() - began.clock_s, time.process_time() - began.processor_s)


async def judge_some(url: str, *, pending: int, is_asked: bool) -> None:
    """Judge until MEASURED calls are done, or until all have passed that nobody need be asked about."""
    done, enough = 0, asyncio.Event()

    async def count(judgement: Judgement) -> None:
        nonlocal done
        done += 1
        if done == (MEASURED if is_asked else pending):
            enough.set()

    async with open_client(base_url=url, api_key="x") as client:
        source = items(pending, answer=ANSWER if is_asked else "")
        running = asyncio.create_task(run(source, spec=SPEC, client=client, concurrency=64, on_done=count))
        await enough.wait()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


if __name__ == "__main__":
    main()
