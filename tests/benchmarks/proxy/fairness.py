"""How long a small call takes alone, and beside large prompts, scrapes of the metrics and refusals.

    python -m tests.benchmarks.proxy.fairness [--calls 300] [--json FILE] [--lenient]

Client and provider share one core, the proxy has its own. Exit code 1 where the slowest call but one in a
hundred takes 400 ms or more beside anything.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import uvloop

from tests.benchmarks.proxy.load import percentile
from tests.benchmarks.proxy.processes import (
    LOAD_CORE,
    PROXY_CORE,
    lqo,
    machine,
    module,
    on_load_core,
    serving,
)

BAR_MS = 400.0
CHAT = "/v1/chat/completions"
MODELS = 50
_LARGE = 10 << 20

Other = Callable[[], Awaitable[None]]


def prompt(size: int, *, model: str = "gpt-4o-mini") -> bytes:
    messages = [{"role": "user", "content": "x" * size}]
    return json.dumps({"model": model, "messages": messages}).encode()


async def post(http: aiohttp.ClientSession, body: object) -> None:
    headers = {"authorization": "Bearer sk-bench-0123456789abcdef", "content-type": "application/json"}
    async with http.post(CHAT, data=body, headers=headers) as response:
        await response.read()
        if response.status != 200:
            raise RuntimeError(f"a call was answered with {response.status}")


async def pieces(data: bytes) -> object:
    for at in range(0, len(data), 1 << 16):
        yield data[at : at + (1 << 16)]


async def measure(http: aiohttp.ClientSession, *, calls: int, other: Other | None) -> list[float]:
    """Milliseconds of `calls` small calls, in order of size, while `other` runs over and over."""
    is_over = False

    async def keep_on() -> None:
        while other is not None and not is_over:
            await other()

    running = asyncio.ensure_future(keep_on())
    took: list[float] = []
    for _ in range(calls):
        began = time.perf_counter()
        await post(http, prompt(1_000))
        took.append((time.perf_counter() - began) * 1000)
    is_over = True
    await running
    return sorted(took)


async def measure_all(url: str, *, calls: int) -> dict[str, list[float]]:
    async with aiohttp.ClientSession(url) as http:
        for number in range(MODELS):
            await post(http, prompt(10, model=f"model-{number}"))

        async def send_large() -> None:
            await post(http, pieces(prompt(_LARGE)))

        async def scrape() -> None:
            async with http.get("/metrics") as response:
                await response.read()

        async def ask_for_nothing() -> None:
            async with http.get("/v1/nothing") as response:
                await response.read()

        others: dict[str, Other | None] = {
            "alone": None,
            "beside prompts of 10 MB": send_large,
            "beside scrapes": scrape,
            "beside refusals": ask_for_nothing,
        }
        return {name: await measure(http, calls=calls, other=other) for name, other in others.items()}


def run(*, calls: int) -> dict[str, list[float]]:
    with (
        tempfile.TemporaryDirectory(prefix="lqo-bench-") as home,
        serving(module("mock"), core=LOAD_CORE) as mock,
        serving(
            lqo("proxy", "--port", 0, "--upstream", mock.url),
            core=PROXY_CORE,
            env={"LQO_HOME": home},
            log=Path(home) / "log",
        ) as proxy,
    ):
        return uvloop.run(measure_all(proxy.url, calls=calls))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=300, help="small calls of each measurement")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--lenient", action="store_true", help="figures are told, not asserted")
    options = parser.parse_args()
    where = machine()
    on_load_core()
    found = run(calls=options.calls)
    print(where)
    for name, took in found.items():
        p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
        print(f"{name:24} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   most {took[-1]:7.2f} ms")
    problems = [f"{name}: p99" for name, took in found.items() if percentile(took, 0.99) >= BAR_MS]
    print("\n".join(f"MISSED: {problem}" for problem in problems) or "all bars reached")
    if options.json:
        options.json.write_text(json.dumps({"machine": where, "ms": found, "missed": problems}))
    sys.exit(1 if problems and not options.lenient else 0)


if __name__ == "__main__":
    main()
