"""What the spool and the proxy cost: rate and added latency, in one run, medians of interleaved rounds.

Arms: `direct` (the provider itself), `bare` (an ASGI app that passes bytes through with the same server
and the same client library, no spool), `proxy` (ours, spool on). Each arm runs in a process of its own on
127.0.0.1; the load generator keeps `--clients` connections busy.

    python tests/benchmarks/bench_proxy.py [--seconds 4] [--rounds 3] [--clients 32]
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import uvicorn

from ingest.proxy.protocol import Refused
from ingest.proxy.server import run_proxy, runner
from ingest.proxy.serving import Serving
from ingest.proxy.upstream import Upstream
from ingest.proxy.web_server import config_of
from ingest.settings import Settings

CHAT = "/v1/chat/completions"
BODY = json.dumps(
    {"model": "m", "messages": [{"role": "user", "content": "x" * 900}], "temperature": 0.2}
).encode()
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "y" * 700}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 200, "completion_tokens": 150, "total_tokens": 350},
    }
).encode()


@dataclass(frozen=True, slots=True)
class Round:
    """One arm for a few seconds: calls a second, latencies in ms, CPU microseconds a call."""

    rate: float
    p50: float
    p99: float
    cpu_us: float


async def provider_app(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once; the fastest provider there is, so that the proxy's own cost is what is seen."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def bare_app(upstream_url: str) -> Any:
    """The smallest pass-through: read the body, post it, send back what comes."""
    upstream = Upstream()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await upstream.open()
            await lifespan(receive, send)
            await upstream.close()
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = [(k.decode(), v.decode()) for k, v in scope["headers"] if k == b"content-type"]
        response = await upstream.send("POST", upstream_url + scope["path"], headers=headers, body=body)
        kept = [(k, v) for k, v in response.raw_headers if k.lower() in (b"content-type", b"content-length")]
        await send({"type": "http.response.start", "status": response.status, "headers": kept})
        while chunk := await response.content.readany():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        response.release()

    return app


async def lifespan(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def serve_app(app: Any, pipe: Connection) -> None:
    """Run an app exactly as the proxy is run and report its URL."""
    import socket

    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    pipe.send(f"http://127.0.0.1:{listening.getsockname()[1]}")
    server = uvicorn.Server(config_of(app, serving=Serving(), refused=Refused()))
    with runner() as running:
        running.run(server.serve(sockets=[listening]))


def serve_provider(pipe: Connection) -> None:
    serve_app(provider_app, pipe)


def serve_bare(pipe: Connection, upstream_url: str) -> None:
    serve_app(bare_app(upstream_url), pipe)


def serve_proxy(pipe: Connection, upstream_url: str, home: str) -> None:
    run_proxy(settings=Settings(home=Path(home)), upstream_base_url=upstream_url, on_ready=pipe.send)


def started(target: Callable[..., None], *arguments: str) -> tuple[str, BaseProcess]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    return ours.recv(), process


async def load(url: str, *, seconds: float, clients: int, process: BaseProcess) -> Round:
    latencies: list[float] = []
    busy = psutil.Process(process.pid)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client(until: float) -> None:
            while (began := time.perf_counter()) < until:
                async with session.post(
                    url + CHAT, data=BODY, headers={"content-type": "application/json"}
                ) as response:
                    if response.status != 200 or await response.read() != ANSWER:
                        raise RuntimeError(f"wrong answer: {response.status}")
                latencies.append(time.perf_counter() - began)

        await asyncio.gather(*(client(time.perf_counter() + 0.5) for _ in range(clients)))
        latencies.clear()
        cpu, began = sum(busy.cpu_times()[:2]), time.perf_counter()
        await asyncio.gather(*(client(began + seconds) for _ in range(clients)))
        elapsed = time.perf_counter() - began
        cpu = sum(busy.cpu_times()[:2]) - cpu
    latencies.sort()
    return Round(
        rate=len(latencies) / elapsed,
        p50=latencies[len(latencies) // 2] * 1000,
        p99=latencies[int(len(latencies) * 0.99)] * 1000,
        cpu_us=cpu / len(latencies) * 1e6,
    )


async def measure(
    arms: dict[str, tuple[str, BaseProcess]], *, seconds: float, clients: int, rounds: int
) -> None:
    for title, number in ((f"{clients} clients", clients), ("1 client", 1)):
        found: dict[str, list[Round]] = {name: [] for name in arms}
        for _ in range(rounds):
            for name, (url, process) in arms.items():
                found[name].append(await load(url, seconds=seconds, clients=number, process=process))
        report(title, found)


def report(title: str, found: dict[str, list[Round]]) -> None:
    middle = {
        name: Round(*(statistics.median(getattr(r, f) for r in rounds) for f in Round.__slots__))
        for name, rounds in found.items()
    }
    print(f"\n{title}, median of {len(found['proxy'])} rounds")
    for name, arm in middle.items():
        print(
            f"  {name:7} {arm.rate:8.0f} calls/s   p50 {arm.p50:6.2f} ms   p99 {arm.p99:6.2f} ms   "
            f"{arm.cpu_us:6.0f} µs CPU a call"
        )
    bare, proxy, direct = middle["bare"], middle["proxy"], middle["direct"]
    print(f"  proxy/bare rate {proxy.rate / bare.rate:.2f}, CPU {proxy.cpu_us / bare.cpu_us:.2f}")
    print(f"  added to direct: p50 {proxy.p50 - direct.p50:.2f} ms, p99 {proxy.p99 - direct.p99:.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        processes: list[BaseProcess] = []
        try:
            provider = started(serve_provider)
            processes.append(provider[1])
            arms = {"direct": provider}
            arms["bare"] = started(serve_bare, provider[0])
            processes.append(arms["bare"][1])
            arms["proxy"] = started(serve_proxy, provider[0], home)
            processes.append(arms["proxy"][1])
            asyncio.run(
                measure(arms, seconds=options.seconds, clients=options.clients, rounds=options.rounds)
            )
        finally:
            for process in processes:
                process.terminate()
                process.join()


if __name__ == "__main__":
    main()
