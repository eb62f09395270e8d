"""The proxy when others fail: clients that leave, providers that break or keep silent."""

import asyncio
from pathlib import Path

import aiohttp
import openai
import pytest

from ingest.proxy.bounds import Limits
from tests.ingest.proxy_calls import CHAT, MESSAGES, body_of
from tests.ingest.running_proxy import Proxy, running_proxy, until
from tests.ingest.upstream import Provider, frames
from tests.local_servers import free_port


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
            await asyncio.wait_for(provider.on_stream_closed.wait(), 30)
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
        running_proxy(tmp_path, f"http://127.0.0.1:{free_port()}") as proxy,
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
