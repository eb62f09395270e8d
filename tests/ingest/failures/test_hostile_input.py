"""Bodies and headers that mean harm pass as they came or are refused, choose no address, and stop nothing."""

import asyncio
import base64
import contextlib
import io
import json
import os
import random
from pathlib import Path

import aiohttp
import httptools
import pytest

from ingest.proxy.bounds import Limits
from tests.ingest.failures.raw_upstream import raw_upstream, saying
from tests.ingest.proxy_calls import CHAT, body_of
from tests.ingest.raw_http import chat, connected, read_all, request, status_of
from tests.ingest.running_proxy import Proxy, running_proxy, until
from tests.ingest.upstream import Provider

DEEP = b'{"model":"ok","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BODIES = {
    "nothing": b"",
    "no JSON": b"\0\1\2",
    "cut JSON": b'{"model": "ok", "mess',
    "broken UTF-8": b'{"model": "ok", "x": "\xff\xfe"}',
    "a lone surrogate": b'{"model": "ok", "x": "\\ud800"}',
    "an escaped NUL": b'{"model": "ok", "x": "a\\u0000b"}',
    "a byte order mark": b"\xef\xbb\xbf" + body_of("ok"),
    "UTF-16": '{"model": "ok"}'.encode("utf-16"),
    "100,000 levels": DEEP,
    "models twice": b'{"model": "status-500", "model": "ok"}',
    "a huge integer": b'{"model": "ok", "n": ' + b"9" * 10_000 + b"}",
    "a huge exponent": b'{"model": "ok", "temperature": 1e999999999}',
    "NaN": b'{"model": "ok", "temperature": NaN}',
    "a model that is no text": b'{"model": {"a": 1}, "messages": 3, "stream": "yes"}',
    "an array": b"[1, 2, 3]",
    "a long model name": json.dumps({"model": "m" * 100_000}).encode(),
    "a model with line breaks": b'{"model": "ok\\r\\nx-injected: 1\\r\\n\\r\\n"}',
}


@pytest.mark.parametrize("name", BODIES)
async def test_any_body_reaches_the_provider_as_it_came(proxy: Proxy, provider: Provider, name: str) -> None:
    body = BODIES[name]
    status = await status_of(proxy.url, request(b"content-length: %d" % len(body), body=body))
    assert status in (200, 400, 500)
    if status != 400 or provider.bodies:
        (received,) = provider.bodies
        assert received == body
    call = proxy.only_call()
    assert call.end is not None
    assert call.end.http_status == status
    # And the next call is served.
    assert await status_of(proxy.url, chat()) == 200


async def test_large_bodies_pass_whole(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    image = "data:image/png;base64," + base64.b64encode(os.urandom(15 << 20)).decode()
    part = {"type": "image_url", "image_url": {"url": image}}
    async with running_proxy(tmp_path, provider.url) as proxy:
        for content in ([part], "가" * (1 << 20)):
            messages = [{"role": "user", "content": content}]
            body = json.dumps({"model": "ok", "messages": messages}, ensure_ascii=False).encode()
            async with http.post(proxy.url + CHAT, data=io.BytesIO(body)) as response:
                assert response.status == 200
                await response.read()
            assert provider.bodies[-1] == body
        await until(lambda: all(call.end for call in proxy.calls().values()))
        assert sorted(len(call.start.request) for call in proxy.calls().values()) == sorted(
            map(len, provider.bodies)
        )


async def test_100_mb_are_refused_without_being_kept(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    async def pour() -> object:
        for _ in range(100):
            yield bytes(1 << 20)

    async with running_proxy(tmp_path, provider.url, limits=Limits(body_bytes=8 << 20)) as proxy:
        async with http.post(proxy.url + CHAT, data=pour()) as response:
            assert response.status == 413
        assert provider.bodies == []
        await until(lambda: proxy.gate.held_bytes == 0)


async def test_no_header_or_member_chooses_where_a_call_goes(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    reached: list[bytes] = []

    async def trap(writer: asyncio.StreamWriter) -> None:
        reached.append(b"reached")
        writer.close()

    async with raw_upstream(trap) as evil, running_proxy(tmp_path, provider.url) as proxy:
        host = evil.removeprefix("http://")
        headers = {
            "host": host,
            "x-forwarded-host": host,
            "forwarded": f"host={host}",
            "x-original-url": evil,
            "x-rewrite-url": evil,
            "x-portkey-custom-host": evil,
            "x-portkey-config": json.dumps({"provider": "openai", "custom_host": evil}),
            "x-lqo-upstream": evil,
            "x-lqo-base-url": evil,
            "x-litellm-api-base": evil,
            "helicone-target-url": evil,
            "openai-base-url": evil,
            "referer": evil,
            "location": evil,
        }
        members = dict.fromkeys(("api_base", "base_url", "url", "host", "custom_host", "provider_url"), evil)
        for body in (body_of("ok", **members), body_of(evil), body_of("ok", user="@" + host)):
            async with http.post(proxy.url + CHAT, data=body, headers=headers) as response:
                assert response.status == 200
        for path in (
            f"{CHAT}?base_url={evil}",
            f"/v1/models?api_base={evil}",
            f"/v1/chat/completions@{host}",
        ):
            await status_of(proxy.url, request(b"content-length: 0", line=f"POST {path} HTTP/1.1".encode()))
        assert reached == []
        assert len(provider.bodies) >= 3
        named = [name.lower() for headers in provider.headers for name in headers]
        assert not {"x-forwarded-host", "forwarded", "x-lqo-upstream"} & set(named)
        assert {headers["Host"] for headers in provider.headers} == {provider.url.removeprefix("http://")}


async def test_a_redirect_is_the_clients_to_follow(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async def trap(writer: asyncio.StreamWriter) -> None:
        pytest.fail("the proxy followed a redirect")

    async with raw_upstream(trap) as evil:
        moved = f"HTTP/1.1 307 Moved\r\nlocation: {evil}/x\r\ncontent-length: 0\r\n\r\n".encode()
        async with (
            raw_upstream(saying(moved)) as url,
            running_proxy(tmp_path, url) as proxy,
            http.post(proxy.url + CHAT, data=body_of("ok"), allow_redirects=False) as response,
        ):
            assert (response.status, response.headers["location"]) == (307, f"{evil}/x")


async def test_heads_have_a_size(proxy: Proxy) -> None:
    health = b"GET /healthz HTTP/1.1"
    assert await status_of(proxy.url, request(b"x-a: " + b"a" * 60_000, line=health)) == 200
    assert await status_of(proxy.url, request(b"x-a: " + b"a" * 70_000, line=health)) == 431
    assert await status_of(proxy.url, request(*[b"x-%d: a" % n for n in range(200)], line=health)) == 431
    async with connected(proxy.url) as (reader, writer):
        writer.write(b"GET /" + b"a" * (1 << 20))
        assert (await asyncio.wait_for(read_all(reader), 10)).startswith(b"HTTP/1.1 431 ")


class _Reading:
    """What httptools itself makes of bytes."""

    def __init__(self) -> None:
        self.completed = 0

    def on_message_complete(self) -> None:
        self.completed += 1


async def test_mutated_requests_are_never_taken_where_the_parser_alone_refuses(proxy: Proxy) -> None:
    seeded = random.Random(20261122)
    chunked = request(b"transfer-encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n")
    originals = [chat(), chat("s", stream=True), chunked]
    cases = [mutated(seeded.choice(originals), seeded) for _ in range(300)]
    few_at_once = asyncio.Semaphore(20)

    async def answer_to(data: bytes) -> bytes:
        async with few_at_once:
            return await ask_and_hang_up(proxy.url, data)

    answers = await asyncio.gather(*map(answer_to, cases))
    for data, answer in zip(cases, answers, strict=True):
        assert not (is_refused_by_the_parser(data) and b"x-lqo-call-id: " in answer), data
        assert answer.count(b"HTTP/1.1 ") <= 1, data
    passed = sum(b"x-lqo-call-id: " in answer for answer in answers)
    assert passed > 50
    assert sum(answer.startswith(b"HTTP/1.1 400 ") for answer in answers) > 50
    assert await status_of(proxy.url, chat()) == 200
    await until(lambda: proxy.gate.calls == 0)


def is_refused_by_the_parser(data: bytes) -> bool:
    """Whether httptools by itself finds no whole request in `data`, and says that none can come."""
    reading = _Reading()
    try:
        httptools.HttpRequestParser(reading).feed_data(data)
    except httptools.HttpParserError:
        return reading.completed == 0
    return False


async def ask_and_hang_up(url: str, data: bytes) -> bytes:
    """What is said to `data`, when nothing follows it, until there is silence."""
    async with connected(url) as (reader, writer):
        writer.write(data)
        got = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            # A first word may take its time, the rest of an answer comes with it.
            while part := await asyncio.wait_for(reader.read(1 << 16), 0.3 if got else 2.0):
                got += part
        return got


def mutated(data: bytes, seeded: random.Random) -> bytes:
    """`data` with one to three bytes changed, put in, taken out or doubled."""
    changed = bytearray(data)
    for _ in range(seeded.randint(1, 3)):
        at = seeded.randrange(len(changed))
        match seeded.randrange(4):
            case 0:
                changed[at] = seeded.choice(b"\0\r\n\t :;,%/\x7f\xff0A")
            case 1:
                changed.insert(at, seeded.choice(b"\0\r\n\t :;,%/\x7f\xff0A"))
            case 2:
                del changed[at]
            case _:
                changed[at:at] = changed[at : at + 8]
    return bytes(changed)
