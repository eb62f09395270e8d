"""The proxy when others fail: clients that leave, providers that break, disks that fill, kill -9."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import openai
import pytest

from ingest.proxy.relay import Limits
from ingest.proxy.server import ProxyError, run_proxy
from ingest.settings import Settings
from ingest.spool.owner import SpoolBusyError, current_owner
from ingest.spool.writer import Spool
from tests.ingest.running_proxy import Proxy, calls_in, running_proxy, until
from tests.ingest.upstream import ANSWER, Provider, frames, running_provider

CHAT = "/v1/chat/completions"
MESSAGES: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with running_provider() as provider:
        yield provider


@pytest.fixture
async def proxy(tmp_path: Path, provider: Provider) -> AsyncIterator[Proxy]:
    async with running_proxy(tmp_path, provider.url) as proxy:
        yield proxy


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def body_of(model: str, **more: Any) -> bytes:
    return json.dumps({"model": model, "messages": MESSAGES, **more}).encode()


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_client_that_leaves_a_stream_is_a_row_with_what_was_still_read(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    response = await http.post(proxy.url + CHAT, data=body_of("stream-slow", stream=True))
    await response.content.readany()
    response.close()
    await until(lambda: proxy.only_call().end is not None)
    call = proxy.only_call()
    assert call.end is not None
    assert (call.end.status, call.end.http_status) == ("client_gone", 200)
    assert call.response == b"".join(frames("stream-slow", with_usage=True))


async def test_draining_for_a_client_that_left_has_an_end(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    for number, limits in enumerate([Limits(drain_seconds=0.2), Limits(drain_bytes=2_000)]):
        async with running_proxy(tmp_path / str(number), provider.url, limits=limits) as proxy:
            provider.on_stream_closed.clear()
            response = await http.post(proxy.url + CHAT, data=body_of("stream-endless", stream=True))
            await response.content.readany()
            response.close()
            await until(lambda: proxy.only_call().end is not None)
            await asyncio.wait_for(provider.on_stream_closed.wait(), 10)
            end = proxy.only_call().end
            assert end is not None
            assert end.status == "client_gone"
            assert b"word1 " in proxy.only_call().response


async def test_a_client_that_leaves_before_any_answer_is_a_row(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    async with running_proxy(tmp_path, provider.url, limits=Limits(drain_seconds=0.1)) as proxy:
        asking = asyncio.ensure_future(http.post(proxy.url + CHAT, data=body_of("hang")))
        await until(lambda: len(provider.bodies) == 1)
        asking.cancel()
        await until(lambda: proxy.only_call().end is not None)
        end = proxy.only_call().end
        assert end is not None
        assert (end.status, end.http_status) == ("client_gone", None)


async def test_a_provider_that_resets_before_its_head_is_a_502(
    proxy: Proxy, http: aiohttp.ClientSession
) -> None:
    async with http.post(proxy.url + CHAT, data=body_of("reset")) as response:
        assert response.status == 502
        assert (await response.json())["error"]["type"] == "upstream_error"
        call_id = response.headers["x-lqo-call-id"]
    call = proxy.only_call()
    assert str(call.start.call_id) == call_id
    assert call.end is not None
    assert (call.end.status, call.end.http_status, call.end.error_type) == ("error", 502, "upstream_error")


@pytest.mark.parametrize(("model", "is_streamed"), [("stream-reset", True), ("half", False)])
async def test_a_provider_that_breaks_off_ends_the_answer_abnormally(
    proxy: Proxy, http: aiohttp.ClientSession, model: str, is_streamed: bool
) -> None:
    got = b""
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.post(proxy.url + CHAT, data=body_of(model, stream=is_streamed)) as response:
            assert response.status == 200
            async for chunk in response.content.iter_any():
                got += chunk
    call = proxy.only_call()
    assert call.end is not None
    assert (call.end.status, call.end.http_status, call.end.error_type) == ("error", 200, "upstream_error")
    assert call.response
    assert call.response.startswith(got)
    async with http.get(f"{proxy.url}/healthz") as response:
        assert response.status == 200


async def test_nobody_listening_is_a_502_and_a_row(tmp_path: Path) -> None:
    async with (
        running_proxy(tmp_path, f"http://127.0.0.1:{unused_port()}") as proxy,
        openai.AsyncOpenAI(api_key="k", base_url=f"{proxy.url}/v1", max_retries=1) as client,
    ):
        with pytest.raises(openai.InternalServerError) as raised:
            await client.chat.completions.create(model="ok", messages=MESSAGES)
        assert raised.value.status_code == 502
        assert len(proxy.calls()) == 2
        assert {call.end.status for call in proxy.calls().values() if call.end} == {"error"}


async def test_a_silent_provider_is_a_504(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    async with running_proxy(tmp_path, provider.url, read_seconds=0.2) as proxy:
        async with http.post(proxy.url + CHAT, data=body_of("hang")) as response:
            assert response.status == 504
            assert (await response.json())["error"]["type"] == "upstream_timeout"
        end = proxy.only_call().end
        assert end is not None
        assert (end.status, end.http_status, end.error_type) == ("error", 504, "upstream_timeout")


async def test_a_body_past_the_limit_is_refused_while_it_is_read(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    async with running_proxy(tmp_path, provider.url, limits=Limits(body_bytes=10_000)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rsplit(":", 1)[1]))
        head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        writer.write(head + b"4e20\r\n" + bytes(20_000))
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 413 ")
        writer.close()
        async with http.post(proxy.url + CHAT, data=body_of("ok", padding="x" * 20_000)) as response:
            assert response.status == 413
            assert (await response.json())["error"]["type"] == "request_too_large"
        async with http.post(proxy.url + CHAT, data=body_of("ok", padding="x" * 9_000)) as response:
            assert response.status == 200
            await response.read()
        ends = [call.end for call in proxy.calls().values()]
        assert [end.http_status for end in ends if end] == [413, 413, 200]
        assert len(provider.bodies) == 1


async def test_slow_heads_and_bodies_are_cut_off(tmp_path: Path, provider: Provider) -> None:
    limits = Limits(body_idle_seconds=0.2)
    async with running_proxy(tmp_path, provider.url, limits=limits, header_seconds=0.2) as proxy:
        port = int(proxy.url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\n")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf".encode())
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 408 ")
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked",
        b"content-length: 5\r\ncontent-length: 6",
        b"transfer-encoding: chunked, identity",
    ],
)
async def test_requests_that_two_parsers_could_read_differently_are_refused(
    proxy: Proxy, provider: Provider, head: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rsplit(":", 1)[1]))
    writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\n".encode() + head + b"\r\n\r\n0\r\n\r\n")
    assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 400 ")
    writer.close()
    assert provider.bodies == []


async def test_a_full_disk_refuses_calls_and_the_service_recovers(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    connection = proxy.writer._live._connection
    connection.execute("pragma max_page_count = 1")
    async with http.post(proxy.url + CHAT, data=body_of("ok", padding="x" * 9_000)) as response:
        assert response.status == 503
        answer = await response.json()
        assert answer["error"]["type"] == "spool_refused"
        assert "could not be logged" in answer["error"]["message"]
    assert provider.bodies == []
    async with http.get(f"{proxy.url}/metrics") as response:
        assert 'outcome="refused"} 1' in await response.text()
    connection.execute("pragma max_page_count = 1000000")
    async with http.post(proxy.url + CHAT, data=body_of("ok")) as response:
        assert response.status == 200
    assert len(proxy.calls()) == 1


async def test_an_answer_whose_end_cannot_be_written_is_not_completed(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    connection = proxy.writer._live._connection
    provider.on_request = lambda body: connection.execute("pragma max_page_count = 1") and None
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.post(proxy.url + CHAT, data=body_of("large")) as response:
            await response.read()
    assert proxy.only_call().end is None
    connection.execute("pragma max_page_count = 1000000")
    proxy.writer.start_beating()
    assert proxy.only_call().end is not None


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_FSIZE makes writes fail as we need it on Linux")
async def test_a_real_write_error_refuses_calls_and_the_next_segment_takes_them(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    async with killable_proxy(tmp_path, provider.url, before="limit_files(2_000_000)") as (url, _):
        statuses: list[int] = []
        async with asyncio.timeout(30):
            while statuses.count(200) < 60:
                async with http.post(url + CHAT, data=body_of("ok", padding="x" * 100_000)) as response:
                    statuses.append(response.status)
                    await response.read()
        assert set(statuses) <= {200, 503}
    completed = [call for call in calls_in(tmp_path / "spool").values() if call.end is not None]
    assert len(completed) >= statuses.count(200)


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


SCRIPT = """
import resource, sys
from pathlib import Path
from ingest.proxy.server import run_proxy
from ingest.settings import Settings

def limit_files(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

{before}
run_proxy(settings=Settings(home=Path(sys.argv[1])), upstream_base_url=sys.argv[2],
          on_ready=lambda url: print(url, flush=True))
heavy = {{"dagster", "dbt", "pandas", "polars", "psycopg", "litestar"}} & set(sys.modules)
print("imported", sorted(heavy))
"""


class killable_proxy:  # noqa: N801
    """A proxy in a process of its own: (url, process); killed at the end if it still runs."""

    def __init__(self, home: Path, upstream_url: str, *, before: str = "") -> None:
        self._arguments = [
            sys.executable,
            "-c",
            textwrap.dedent(SCRIPT.format(before=before)),
            str(home),
            upstream_url,
        ]

    async def __aenter__(self) -> tuple[str, "subprocess.Popen[bytes]"]:
        self._process = subprocess.Popen(self._arguments, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        line = await asyncio.to_thread(self._process.stdout.readline)
        assert line.startswith(b"http://"), "the proxy did not start"
        return line.decode().strip(), self._process

    async def __aexit__(self, *exc: object) -> None:
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        assert self._process.stdout is not None
        self._process.stdout.close()


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
        assert await asyncio.to_thread(process.wait, 20) == 0
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


@pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/proc/mounts").exists(), reason="mounting needs root on Linux"
)
async def test_a_really_full_disk_is_a_503_until_there_is_room(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        spool = Spool(tmp_path / "probe", min_free_bytes=0)
        spool.close()
        before = "import ingest.spool.writer as w; w.Spool.__init__.__kwdefaults__['min_free_bytes'] = 0"
        async with killable_proxy(tmp_path, provider.url, before=before) as (url, _):
            statuses = await fill(http, url)
            assert statuses[0] == 200
            assert statuses[-1] == 503
            async with http.get(f"{url}/healthz") as response:
                assert response.status == 200
            subprocess.run(["mount", "-o", "remount,size=30m", str(tmp_path)], check=True)
            async with http.post(url + CHAT, data=body_of("ok", padding="x" * 100_000)) as response:
                assert response.status == 200
                await response.read()
        calls = calls_in(tmp_path / "spool")
        assert sum(call.end is not None for call in calls.values()) >= statuses.count(200) + 1
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=False)


async def fill(http: aiohttp.ClientSession, url: str) -> list[int]:
    """Send calls until one is refused; their statuses (0 for an answer that was broken off)."""
    statuses: list[int] = []
    while len(statuses) < 200 and 503 not in statuses:
        try:
            async with http.post(url + CHAT, data=body_of("ok", padding="x" * 100_000)) as response:
                await response.read()
                statuses.append(response.status)
        except aiohttp.ClientError:
            statuses.append(0)
    return statuses
