"""The proxy with the real SDK: only `base_url` changes, bytes stay the provider's, everything is logged."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from ingest.proxy.relay import Limits
from ingest.spool.records import Start
from ingest.uuid7 import uuid7_time
from tests.ingest.running_proxy import Proxy, calls_in, records_in, running_proxy, until
from tests.ingest.upstream import ANSWER, USAGE, WORDS, Provider, document, frames, running_provider

KEY = "sk-test-abcdefghijklmnopqrstuvwxyz-0123456789"
MESSAGES: Any = [{"role": "user", "content": "안녕 🎈?"}]


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
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


def body_of(model: str, **more: Any) -> bytes:
    return json.dumps({"model": model, "messages": MESSAGES, **more}, ensure_ascii=False).encode()


async def post(
    http: aiohttp.ClientSession, url: str, body: bytes, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    sent = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.post(f"{url}/v1/chat/completions", data=body, headers=sent) as response:
        return response.status, {k.lower(): v for k, v in response.headers.items()}, await response.read()


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


async def test_what_a_client_saw_of_a_stalled_stream_is_on_disk_within_a_second(
    proxy: Proxy, provider: Provider
) -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{proxy.url}/v1") as client:
        stream = await client.chat.completions.create(model="stream-stall", messages=MESSAGES, stream=True)
        for _ in range(3):
            await anext(stream)
        began = time.monotonic()
        await until(lambda: WORDS[1].encode() in proxy.only_call().response)
        assert time.monotonic() - began < 3
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


async def test_the_key_is_forwarded_and_in_no_byte_of_the_spool(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    await post(http, proxy.url, body_of("ok"))
    await post(http, proxy.url, body_of("echo-key", user=KEY))
    await post(http, proxy.url, body_of("s", stream=True))
    assert [headers["Authorization"] for headers in provider.headers] == [f"Bearer {KEY}"] * 3
    everything = b"".join(path.read_bytes() for path in proxy.spool.iterdir())
    assert b"echo-key" in everything
    assert KEY.encode() not in everything
    assert b"session=secret" not in everything
    key_ids = {call.start.key_id for call in proxy.calls().values()}
    assert re.fullmatch(r"[0-9a-f]{64}", key_ids.pop() or "")
    assert not key_ids
    assert (proxy.home / "key.pepper").stat().st_mode & 0o777 == 0o600
    await post(http, proxy.url, body_of("ok"), authorization="Bearer another-key-of-some-length")
    assert len({call.start.key_id for call in proxy.calls().values()}) == 2


OBSERVER = {
    "x-lqo-project": ("project", "검색"),
    "x-lqo-environment": ("environment", "prod"),
    "x-lqo-user": ("user_id", "u-1"),
    "x-lqo-session": ("session_id", "s-1"),
    "x-lqo-trace": ("trace_id", "t-1"),
    "x-lqo-prompt-name": ("prompt_name", "greet"),
    "x-lqo-prompt-version": ("prompt_version", "3"),
    "x-lqo-tags": ("tags", '{"team": "a"}'),
}


async def test_observer_headers_are_recorded_and_not_forwarded(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    sent = {name: value for name, (_, value) in OBSERVER.items()}
    sent |= {"x-lqo-purpose": "replay", "x-lqo-unknown": "x", "x-other": "é", "openai-organization": "org"}
    await post(http, proxy.url, body_of("ok"), **sent)
    start = proxy.only_call().start
    assert start.observer == dict(OBSERVER.values())
    assert start.purpose == "replay"
    (headers,) = ({name.lower(): value for name, value in h.items()} for h in provider.headers)
    assert not [name for name in headers if name.startswith("x-lqo")]
    assert (headers["x-other"], headers["openai-organization"]) == ("é", "org")


async def test_an_unknown_purpose_is_product_and_a_traceparent_gives_the_trace(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await post(http, proxy.url, body_of("ok"), x_lqo_purpose="nonsense", traceparent=parent)
    start = proxy.only_call().start
    assert (start.purpose, start.observer) == ("product", {"trace_id": "0af7651916cd43dd8448eb211c80319c"})
    assert provider.headers[0]["traceparent"] == parent


async def test_hop_by_hop_headers_stop_at_the_proxy(
    proxy: Proxy, provider: Provider, http: aiohttp.ClientSession
) -> None:
    hops = {
        "connection": "keep-alive, x-private",
        "x-private": "1",
        "te": "trailers",
        "proxy-authorization": "x",
    }
    _, headers, _ = await post(http, proxy.url, body_of("ok"), accept_encoding="gzip, br", **hops)
    (seen,) = ({name.lower(): value for name, value in h.items()} for h in provider.headers)
    assert not {"x-private", "te", "proxy-authorization"} & set(seen)
    assert seen["accept-encoding"] == "identity"
    assert seen["host"] == provider.url.removeprefix("http://")
    assert seen["content-length"] == str(len(body_of("ok")))
    assert "x-hop" not in headers
    assert headers["x-ratelimit-remaining-requests"] == "9"
    end = proxy.only_call().end
    assert end is not None
    assert end.response_headers["x-ratelimit-remaining-requests"] == "9"
    assert "set-cookie" not in end.response_headers


async def test_a_packed_answer_passes_packed(proxy: Proxy, http: aiohttp.ClientSession) -> None:
    _, headers, answer = await post(http, proxy.url, body_of("gzip"))
    assert headers["content-encoding"] == "gzip"
    assert answer.startswith(b"\x1f\x8b")
    end = proxy.only_call().end
    assert end is not None
    assert end.response_headers["content-encoding"] == "gzip"


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
    assert 'llm_gateway_requests_total{endpoint="/v1/chat/completions",status="200"} 1' in metrics
    assert 'llm_gateway_requests_total{endpoint="/v1/chat/completions",status="429"} 1' in metrics
    assert 'llm_gateway_calls_total{endpoint="/v1/chat/completions",outcome="error"} 1' in metrics
    assert (
        'llm_gateway_request_duration_seconds_bucket{endpoint="/v1/chat/completions",le="+Inf"} 2' in metrics
    )
    assert "llm_gateway_spool_records_total 4" in metrics
    assert "llm_gateway_in_flight 0" in metrics
    async with http.get(f"{proxy.url}/v1/chat/completions") as response:
        assert response.status == 405


async def test_every_call_of_a_stopped_proxy_is_sealed(tmp_path: Path, provider: Provider) -> None:
    async with running_proxy(tmp_path, provider.url) as proxy, aiohttp.ClientSession() as http:
        await post(http, proxy.url, body_of("ok"))
    assert not list(proxy.spool.glob("*-wal"))
    assert len(calls_in(proxy.spool)) == 1
    assert not (tmp_path / "run" / "proxy.json").exists()
