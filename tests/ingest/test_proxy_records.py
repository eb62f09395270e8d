"""What is in the spool while a call runs: START first, PARTs as it streams, END before its last byte."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from ingest.proxy.bounds import Limits
from ingest.spool.records import Start
from ingest.uuid7 import uuid7_time
from tests.ingest.proxy_calls import KEY, MESSAGES, body_of, post
from tests.ingest.running_proxy import Proxy, records_in, running_proxy, until
from tests.ingest.upstream import ANSWER, WORDS, Provider, document, frames


async def test_start_is_in_the_spool_before_the_provider_is_called(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    seen: list[list[Any]] = []
    provider.on_request = lambda body: seen.append(records_in(proxy.spool))
    body = body_of("ok")
    await post(http, proxy.url, body)
    ((record,),) = seen
    assert isinstance(record, Start)
    assert record.request == body
    at = uuid7_time(record.call_id)
    assert at is not None
    assert int(at.timestamp() * 1000) == record.started_at_ns // 1_000_000


@pytest.mark.parametrize("model", ["ok", "large"])
async def test_end_is_in_the_spool_before_the_last_byte_of_a_document(
    proxy: Proxy, http: aiohttp.ClientSession, model: str
) -> None:
    expected = document(model, text="x" * 3_000_000 if model == "large" else ANSWER)
    async with http.post(f"{proxy.url}/v1/chat/completions", data=body_of(model)) as response:
        got = b""
        async for chunk in response.content.iter_any():
            got += chunk
            if len(got) == len(expected):
                call = proxy.only_call()
                assert call.end is not None
                assert call.response == got == expected
                break
        else:
            pytest.fail("the answer is too short")


async def test_end_is_in_the_spool_before_a_stream_says_done(
    proxy: Proxy, http: aiohttp.ClientSession
) -> None:
    body = body_of("stream-split", stream=True)
    async with http.post(f"{proxy.url}/v1/chat/completions", data=body) as response:
        got = b""
        async for chunk in response.content.iter_any():
            got += chunk
            if got.endswith(b"[DONE]\n\n"):
                call = proxy.only_call()
                assert call.end is not None
                assert b"[DONE]" in call.response
                return
    pytest.fail("the stream never said done")


async def test_frames_arrive_as_they_are_sent(proxy: Proxy, provider: Provider) -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{proxy.url}/v1") as client:
        stream = await client.chat.completions.create(model="stream-stall", messages=MESSAGES, stream=True)
        first = [await anext(stream) for _ in range(3)]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in first) == "".join(WORDS[:2])
        assert provider.streamed == 3
        provider.release.set()
        rest = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in rest) == "".join(WORDS[2:])


async def test_what_a_client_saw_of_a_stalled_stream_is_on_disk_before_it_ends(
    proxy: Proxy, provider: Provider
) -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{proxy.url}/v1") as client:
        stream = await client.chat.completions.create(model="stream-stall", messages=MESSAGES, stream=True)
        for _ in range(3):
            await anext(stream)
        await until(lambda: WORDS[1].encode() in proxy.only_call().response)
        assert proxy.only_call().end is None
        provider.release.set()
        async for _ in stream:
            pass
    assert proxy.only_call().response == b"".join(frames("stream-stall", with_usage=True))


async def test_a_long_stream_is_spooled_in_parts(
    tmp_path: Path, provider: Provider, http: aiohttp.ClientSession
) -> None:
    async with running_proxy(tmp_path, provider.url, limits=Limits(part_bytes=300)) as proxy:
        await post(http, proxy.url, body_of("stream-slow", stream=True))
        call = proxy.only_call()
        assert len(call.parts) >= 2
        assert call.response == b"".join(frames("stream-slow", with_usage=True))


async def test_twenty_streams_at_once_stay_apart(proxy: Proxy) -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{proxy.url}/v1") as client:

        async def one(number: int) -> str:
            stream = await client.chat.completions.create(
                model="stream-slow", messages=MESSAGES, stream=True, user=f"user-{number}"
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        assert await asyncio.gather(*(one(number) for number in range(20))) == [ANSWER] * 20
    calls = proxy.calls().values()
    assert len(calls) == 20
    assert {json.loads(call.start.request)["user"] for call in calls} == {f"user-{n}" for n in range(20)}
    assert all(call.response == b"".join(frames("stream-slow", with_usage=True)) for call in calls)
    assert all(call.end is not None and call.end.status == "ok" for call in calls)


async def test_the_attempt_behind_a_call_is_recorded(proxy: Proxy, http: aiohttp.ClientSession) -> None:
    await post(http, proxy.url, body_of("ok"))
    end = proxy.only_call().end
    assert end is not None
    (attempt,) = end.attempts
    assert (attempt["provider"], attempt["model"], attempt["status"]) == ("openai", "ok", 200)
    assert end.latency_ms is not None
    assert 0 < attempt["latency_ms"] <= end.latency_ms
