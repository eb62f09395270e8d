"""Anthropic's own client, its base URL changed and nothing else."""

import asyncio
from typing import Any

import anthropic
import pytest

from tests.ingest.clients.conftest import Land
from tests.ingest.proxy_calls import KEY
from tests.ingest.recorded import SMALL_BY_NAME, Recorded
from tests.ingest.replay import REPLAY
from tests.ingest.running_proxy import Proxy
from tests.ingest.upstream import Provider

MESSAGES = SMALL_BY_NAME["messages"]
TEXT = "마흔둘 🎈."


def options(proxy: Proxy, exchange: Recorded) -> dict[str, Any]:
    headers = {REPLAY: exchange.name}
    return {"api_key": KEY, "base_url": proxy.url, "default_headers": headers, "max_retries": 0}


async def test_messages_plain_and_streamed_blocking_and_async(front: Proxy, land: Land) -> None:
    def run() -> None:
        with anthropic.Anthropic(**options(front, MESSAGES)) as client:
            raw = client.messages.with_raw_response.create(**MESSAGES.request)
            assert raw.http_response.content == MESSAGES.response
            with client.messages.stream(**MESSAGES.request) as stream:
                assert "".join(stream.text_stream) == TEXT
                assert stream.get_final_message().usage.output_tokens == 14

    await asyncio.to_thread(run)
    async with anthropic.AsyncAnthropic(**options(front, MESSAGES)) as client:
        answer = await client.messages.create(**MESSAGES.request)
        assert [block.type for block in answer.content] == ["thinking", "text"]
        events = [event async for event in await client.messages.create(**MESSAGES.request, stream=True)]
        assert events[-1].type == "message_stop"
    rows = land()
    assert [row["is_streamed"] for row in rows] == [False, True, False, True]
    for row in rows:
        assert (row["output_text"], row["finish_reason"]) == (TEXT, "end_turn")
        assert (row["input_text"], row["served_model"]) == ("Look it up.", "claude-small-2026")
        assert row["usage"] == MESSAGES.document["usage"]
        assert (row["provider"], row["endpoint"]) == ("anthropic", "/v1/messages")


async def test_tool_calls_arrive_whole(front: Proxy, land: Land) -> None:
    exchange = SMALL_BY_NAME["messages-tools"]
    client = anthropic.AsyncAnthropic(**options(front, exchange))
    async with client, client.messages.stream(**exchange.request) as stream:
        message = await stream.get_final_message()
    assert message.content[0].type == "tool_use"
    assert message.content[0].input == {"usage": {"input_tokens": 0}}
    (row,) = land()
    assert (row["output_text"], row["finish_reason"]) == ('weather({"usage":{"input_tokens":0}})', "tool_use")
    assert row["usage"] == exchange.document["usage"]


async def test_an_error_is_the_providers_own(front: Proxy, land: Land) -> None:
    exchange = SMALL_BY_NAME["messages-error"]
    async with anthropic.AsyncAnthropic(**options(front, exchange)) as client:
        with pytest.raises(anthropic.APIStatusError, match="Overloaded") as raised:
            await client.messages.create(**exchange.request)
    assert raised.value.response.content == exchange.response
    (row,) = land()
    assert (row["http_status"], row["error_type"], row["error_message"]) == (
        529,
        "overloaded_error",
        "Overloaded",
    )


async def test_counting_tokens_and_listing_models_pass_without_a_row(
    front: Proxy, provider: Provider
) -> None:
    async with anthropic.AsyncAnthropic(**options(front, MESSAGES)) as client:
        await client.messages.with_raw_response.count_tokens(
            model="claude-small", messages=[{"role": "user", "content": "몇 개? 🎈"}]
        )
        await client.models.with_raw_response.list()
    assert provider.targets == ["/v1/messages/count_tokens"]
    assert "몇 개? 🎈".encode() in provider.bodies[0]
    assert "anthropic-version" in provider.headers[1]
    assert not front.calls()


async def test_the_proxys_own_refusal_reads_as_anthropics(front: Proxy) -> None:
    async with anthropic.AsyncAnthropic(**options(front, MESSAGES)) as client:
        with pytest.raises(anthropic.BadRequestError) as raised:
            await client.messages.create(**MESSAGES.request, extra_body={"Model": "claude-large"})
    assert raised.value.type == "invalid_request_error"
    assert "`model` twice" in str(raised.value)
    call = front.only_call()
    assert call.end is not None
    assert call.end.http_status == 400


async def test_recorded_exchanges_parse_as_they_did(
    front: Proxy, recorded: list[Recorded], land: Land
) -> None:
    found = [e for e in recorded if e.wire == "anthropic" and e.status == 200][::8]
    async with anthropic.AsyncAnthropic(**options(front, MESSAGES)) as client:
        for exchange in found:
            answer = await client.post(
                exchange.path,
                body=exchange.request,
                cast_to=anthropic.types.Message,
                options={"headers": {REPLAY: exchange.name}},
            )
            assert answer.id == exchange.document["id"]
            assert answer.usage.output_tokens == exchange.document["usage"]["output_tokens"]
    assert len(land()) == len(found) > 30
