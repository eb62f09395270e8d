"""Starting, stopping and killing the proxy, and what its own pages say meanwhile."""

import asyncio
import json
import signal
import socket
import subprocess
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest

from ingest.proxy.server import ProxyError, run_proxy
from ingest.settings import Settings
from ingest.spool.owner import SpoolBusyError, current_owner
from ingest.spool.writer import Spool
from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.proxy_calls import CHAT, body_of, post
from tests.ingest.running_proxy import Proxy, calls_in, running_proxy, until
from tests.ingest.upstream import ANSWER, Provider


async def test_health_readiness_and_metrics(proxy: Proxy, http: aiohttp.ClientSession) -> None:
    await post(http, proxy.url, body_of("ok"))
    await post(http, proxy.url, body_of("status-429"))
    pages: dict[str, str] = {}
    for path in ("/healthz", "/readyz", "/metrics", "/v1/unknown"):
        async with http.get(proxy.url + path) as response:
            assert response.status == (404 if path == "/v1/unknown" else 200)
            assert response.headers["x-lqo-call-id"]
            pages[path] = await response.text()
    metrics = pages["/metrics"]
    assert 'llm_gateway_requests_total{endpoint="/v1/chat/completions",status="200"} 1.0' in metrics
    assert 'llm_gateway_requests_total{endpoint="/v1/chat/completions",status="429"} 1.0' in metrics
    assert 'llm_gateway_calls_total{endpoint="/v1/chat/completions",outcome="error"} 1.0' in metrics
    assert (
        'llm_gateway_request_duration_seconds_bucket{endpoint="/v1/chat/completions",le="+Inf",'
        'model="ok-2026"} 1.0' in metrics
    )
    assert "llm_gateway_spool_records_total 4.0" in metrics
    assert "llm_gateway_in_flight 0.0" in metrics
    async with http.get(f"{proxy.url}/v1/chat/completions") as response:
        assert response.status == 405


async def test_every_call_of_a_stopped_proxy_is_sealed(tmp_path: Path, provider: Provider) -> None:
    async with running_proxy(tmp_path, provider.url) as proxy, aiohttp.ClientSession() as http:
        await post(http, proxy.url, body_of("ok"))
    assert not list(proxy.spool.glob("*-wal"))
    assert len(calls_in(proxy.spool)) == 1
    assert not (tmp_path / "run" / "proxy.json").exists()


async def test_a_proxy_is_announced_once_it_serves(tmp_path: Path, provider: Provider) -> None:
    file, found = tmp_path / "run" / "proxy.json", list[bool]()

    async def slow_database(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.append(file.exists())
        writer.close()

    async with await asyncio.start_server(slow_database, "127.0.0.1", 0) as database:
        port = database.sockets[0].getsockname()[1]
        settings = Settings(home=tmp_path, database_url=f"postgresql://u@127.0.0.1:{port}/none")
        async with running_proxy(tmp_path, provider.url, settings=settings) as proxy:
            assert json.loads(file.read_text())["url"] == proxy.url
            assert not found[0]
    assert not file.exists()


def test_a_second_proxy_on_the_spool_is_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    spool = Spool(settings.spool)
    with pytest.raises(SpoolBusyError, match="owned by another proxy"):
        run_proxy(settings=settings, on_ready=lambda url: None)
    spool.close()


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ProxyError, match=f"cannot listen on 127.0.0.1:{port}: .* in use"):
            run_proxy(port=port, settings=Settings(home=tmp_path), on_ready=lambda url: None)


async def acknowledged_calls(url: str, *, kill: "subprocess.Popen[bytes]", after: int) -> set[UUID]:
    """Load the proxy, kill -9 it once `after` calls are complete; ids of calls complete for a client."""
    done: set[UUID] = set()

    async def client(session: aiohttp.ClientSession, number: int) -> None:
        while True:
            model, stream = ("s", True) if number % 2 else ("ok", False)
            try:
                async with session.post(url + CHAT, data=body_of(model, stream=stream)) as response:
                    answer = await response.read()
            except (aiohttp.ClientError, OSError):
                return
            if stream:
                assert answer.endswith(b"[DONE]\n\n")
            else:
                assert ANSWER.encode() in answer
            done.add(UUID(response.headers["x-lqo-call-id"]))
            if len(done) >= after:
                kill.kill()

    async with aiohttp.ClientSession() as session:
        async with asyncio.timeout(60):
            await asyncio.gather(*(client(session, number) for number in range(8)))
    return done


@pytest.mark.slow
async def test_nothing_a_client_saw_complete_is_lost_by_kill_9(tmp_path: Path, provider: Provider) -> None:
    acknowledged: set[UUID] = set()
    for kill in range(10):
        async with killable_proxy(tmp_path, provider.url) as (url, process):
            acknowledged |= await acknowledged_calls(url, kill=process, after=20 + 13 * kill)
        assert current_owner(tmp_path / "spool") is None
    calls = calls_in(tmp_path / "spool")
    ended = {call_id for call_id, call in calls.items() if call.end is not None}
    assert len(acknowledged) >= sum(20 + 13 * kill for kill in range(10))
    assert acknowledged <= ended
    for call_id in acknowledged:
        assert b"[DONE]" in calls[call_id].response or ANSWER.encode() in calls[call_id].response


async def test_sigterm_lets_running_calls_end_and_exits_clean(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    async with killable_proxy(tmp_path, provider.url) as (url, process):
        said = json.loads((tmp_path / "run" / "proxy.json").read_text())
        assert said == {"pid": process.pid, "url": url}
        async with http.post(url + CHAT, data=body_of("stream-stall", stream=True)) as response:
            await response.content.readany()
            process.send_signal(signal.SIGTERM)
            await until(lambda: is_refused(url))
            provider.release.set()
            rest = await response.read()
            assert rest.endswith(b"[DONE]\n\n")
        assert await asyncio.to_thread(process.wait, 60) == 0
        assert process.stdout is not None
        assert process.stdout.read().decode().strip() == "imported []"
    assert not (tmp_path / "run" / "proxy.json").exists()
    (call,) = calls_in(tmp_path / "spool").values()
    assert call.end is not None
    assert not list((tmp_path / "spool").glob("*-wal"))


def is_refused(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return True
    return False
