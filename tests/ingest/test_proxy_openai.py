"""The proxy with the real SDK: only `base_url` changes, bytes stay the provider's."""

import asyncio
import json
from typing import Any

import aiohttp
import openai
import pytest

from tests.ingest.proxy_calls import KEY, MESSAGES, body_of, post
from tests.ingest.running_proxy import Proxy
from tests.ingest.upstream import ANSWER, USAGE, Provider, document, frames


async def test_the_sdk_works_with_only_its_base_url_changed(proxy: Proxy) -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{proxy.url}/v1") as client:
        raw = await client.chat.completions.with_raw_response.create(model="ok", messages=MESSAGES)
        answer = raw.parse()
        assert answer.choices[0].message.content == ANSWER
        call = proxy.only_call()
        assert raw.headers["x-lqo-call-id"] == str(call.start.call_id)
        assert call.end is not None
        assert (call.end.status, call.end.http_status) == ("ok", 200)
        assert call.response == document("ok")
        assert (call.start.requested_model, call.start.endpoint) == ("ok", "/v1/chat/completions")
        models = await client.models.list()
        assert [model.id for model in models.data] == ["ok"]
        assert len(proxy.calls()) == 1


async def test_the_blocking_sdk_streams_without_the_usage_it_did_not_ask_for(proxy: Proxy) -> None:
    def run() -> tuple[list[Any], str]:
        with openai.OpenAI(api_key=KEY, base_url=f"{proxy.url}/v1") as client:
            chunks = list(client.chat.completions.create(model="s", messages=MESSAGES, stream=True))
        return chunks, "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    chunks, text = await asyncio.to_thread(run)
    assert text == ANSWER
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    call = proxy.only_call()
    assert call.start.is_streamed
    assert call.response == b"".join(frames("s", with_usage=True))
    assert call.end is not None
    assert call.end.ttft_ms is not None
    assert call.end.latency_ms is not None
    assert 0 < call.end.ttft_ms <= call.end.latency_ms


async def test_a_client_that_asks_for_usage_gets_it(proxy: Proxy) -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{proxy.url}/v1") as client:
        stream = await client.chat.completions.create(
            model="s", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == USAGE["total_tokens"]


async def test_plain_bytes_are_the_providers_own(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    body = b' {"model" : "ok", "messages":[], "n":1.0, "unknown":{"a":"\\u00e9"}}\n'
    status, headers, answer = await post(http, proxy.url, body)
    assert (status, answer) == (200, document("ok"))
    assert provider.bodies == [body]
    assert proxy.only_call().start.request == body
    assert headers["x-request-id"] == "req-1"
    assert headers["set-cookie"] == "session=secret"
    assert headers["content-length"] == str(len(answer))


@pytest.mark.parametrize("model", ["stream-plain", "stream-split"])
async def test_streamed_bytes_are_the_providers_own_but_for_the_extra_frame(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession, model: str
) -> None:
    body = body_of(model, stream=True)
    _, headers, answer = await post(http, proxy.url, body)
    shown = [frame for frame in frames(model, with_usage=True) if b'"choices": []' not in frame]
    assert answer == b"".join(shown)
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert json.loads(provider.bodies[0])["stream_options"] == {"include_usage": True}
    assert proxy.only_call().start.request == body
    asking = body_of(model, stream=True, stream_options={"include_usage": True})
    _, _, answer = await post(http, proxy.url, asking)
    assert answer == b"".join(frames(model, with_usage=True))
    assert provider.bodies[1] == asking


@pytest.mark.parametrize(
    ("status", "error"), [(429, openai.RateLimitError), (500, openai.InternalServerError)]
)
async def test_provider_errors_pass_through_and_are_rows(
    proxy: Proxy, status: int, error: type[openai.APIStatusError]
) -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{proxy.url}/v1", max_retries=0) as client:
        with pytest.raises(error, match="as you asked") as raised:
            await client.chat.completions.create(model=f"status-{status}", messages=MESSAGES, stream=True)
    assert raised.value.status_code == status
    call = proxy.only_call()
    assert call.end is not None
    assert (call.end.status, call.end.http_status) == ("error", status)
    assert call.response == raised.value.response.content
    assert raised.value.response.headers.get("retry-after") == ("1" if status == 429 else None)


async def test_a_malformed_body_is_forwarded_as_it_is(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    status, _, answer = await post(http, proxy.url, b'{"model": "ok", \xff')
    assert status == 400
    assert b"could not parse" in answer
    assert provider.bodies == [b'{"model": "ok", \xff']
    call = proxy.only_call()
    assert (call.start.request, call.start.requested_model) == (b'{"model": "ok", \xff', "")
