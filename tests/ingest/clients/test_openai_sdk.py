"""OpenAI's own client, its base URL changed and nothing else."""

import asyncio
from typing import Any

import openai
import pytest

from tests.ingest.clients.conftest import Land
from tests.ingest.proxy_calls import KEY
from tests.ingest.recorded import SMALL_BY_NAME, Recorded
from tests.ingest.replay import REPLAY
from tests.ingest.running_proxy import Proxy
from tests.ingest.upstream import Provider

CHAT = SMALL_BY_NAME["chat"]
RESPONSES = SMALL_BY_NAME["responses"]


def options(proxy: Proxy, exchange: Recorded) -> dict[str, Any]:
    headers = {REPLAY: exchange.name}
    return {
        "api_key": KEY,
        "base_url": f"{proxy.url}/v1",
        "default_headers": headers,
        "max_retries": 0,
    }


async def test_chat_plain_and_streamed_blocking_and_async(front: Proxy, land: Land) -> None:
    def run() -> str:
        with openai.OpenAI(**options(front, CHAT)) as client:
            answer = client.chat.completions.with_raw_response.create(**CHAT.request)
            assert answer.content == CHAT.response
            chunks = list(client.chat.completions.create(**CHAT.request, stream=True))
        assert all(chunk.choices and chunk.usage is None for chunk in chunks)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    text = CHAT.document["choices"][0]["message"]["content"]
    assert await asyncio.to_thread(run) == text
    async with openai.AsyncOpenAI(**options(front, CHAT)) as client:
        answer = await client.chat.completions.create(**CHAT.request)
        assert answer.choices[0].message.content == text
        asked = {**CHAT.request, "stream": True, "stream_options": {"include_usage": True}}
        chunks = [chunk async for chunk in await client.chat.completions.create(**asked)]
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.model_dump(exclude_none=True) == CHAT.document["usage"]
    rows = land()
    assert [row["is_streamed"] for row in rows] == [False, True, False, True]
    assert all(row["output_text"] == text and row["usage"] == CHAT.document["usage"] for row in rows)
    assert all(row["input_text"] == "이 사진은? 🎈" for row in rows)


async def test_responses_plain_and_streamed(front: Proxy, land: Land) -> None:
    def run() -> str:
        with openai.OpenAI(**options(front, RESPONSES)) as client:
            with client.responses.stream(**RESPONSES.request) as stream:
                events = list(stream)
            assert events[-1].type == "response.completed"
            return stream.get_final_response().output_text

    assert await asyncio.to_thread(run) == "안녕 🎈"
    async with openai.AsyncOpenAI(**options(front, RESPONSES)) as client:
        answer = await client.responses.create(**RESPONSES.request)
        assert answer.output_text == "안녕 🎈"
        assert answer.usage is not None
        assert answer.usage.output_tokens_details.reasoning_tokens == 20
        text = [
            e.delta
            async for e in await client.responses.create(**RESPONSES.request, stream=True)
            if e.type == "response.output_text.delta"
        ]
        assert "".join(text) == "안녕 🎈"
    rows = land()
    assert [(row["output_text"], row["finish_reason"]) for row in rows] == [("안녕 🎈", "completed")] * 3
    assert all(row["usage"] == RESPONSES.document["usage"] for row in rows)
    assert {row["endpoint"] for row in rows} == {"/v1/responses"}


async def test_tool_calls_arrive_whole(front: Proxy, land: Land) -> None:
    exchange = SMALL_BY_NAME["chat-tools"]
    async with openai.AsyncOpenAI(**options(front, exchange)) as client:
        stream = client.chat.completions.stream(**exchange.request)
        async with stream as events:
            final = await events.get_final_completion()
    (call,) = final.choices[0].message.tool_calls or []
    assert call.function.arguments == '{"city":"서울","usage":{}}'
    (row,) = land()
    assert row["output_text"] == 'weather({"city":"서울","usage":{}})'
    assert row["finish_reason"] == "tool_calls"


async def test_embeddings_and_lists_of_models(front: Proxy, land: Land) -> None:
    exchange = SMALL_BY_NAME["embeddings"]
    async with openai.AsyncOpenAI(**options(front, exchange)) as client:
        answer = await client.embeddings.create(**exchange.request)
        assert answer.data[0].embedding == [0.125, -0.5]
        assert [model.id for model in (await client.models.list()).data] == ["ok"]
    (row,) = land()
    assert (row["input_text"], row["output_text"]) == ("하나\ntwo", None)
    assert row["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


async def test_an_error_is_the_providers_own(front: Proxy, land: Land) -> None:
    exchange = SMALL_BY_NAME["chat-error"]
    async with openai.AsyncOpenAI(**options(front, exchange)) as client:
        with pytest.raises(openai.NotFoundError, match="no such model") as raised:
            await client.chat.completions.create(**exchange.request, stream=True)
    assert raised.value.response.content == exchange.response
    (row,) = land()
    assert (row["status"], row["error_type"]) == ("error", "invalid_request_error")


async def test_azures_client_keeps_its_paths_and_versions(
    front: Proxy, provider: Provider, land: Land
) -> None:
    async with openai.AsyncAzureOpenAI(
        api_key=KEY,
        azure_endpoint=front.url,
        api_version="2024-10-21",
        default_headers={REPLAY: CHAT.name},
    ) as client:
        chunks = [c async for c in await client.chat.completions.create(**CHAT.request, stream=True)]
    assert all(chunk.choices for chunk in chunks)
    assert provider.targets == ["/openai/deployments/gpt-small/chat/completions?api-version=2024-10-21"]
    assert provider.headers[0]["api-key"] == KEY
    (row,) = land()
    assert (row["provider"], row["requested_model"]) == ("azure", "gpt-small")
    assert row["endpoint"] == "/openai/deployments/{model}/chat/completions"
    assert row["usage"] == CHAT.document["usage"]


async def test_recorded_exchanges_parse_as_they_did(
    front: Proxy, recorded: list[Recorded], land: Land
) -> None:
    chats = [e for e in recorded if e.path.endswith("chat/completions") and e.status == 200][::12]
    responses = [e for e in recorded if e.path == "/v1/responses" and e.status == 200][::12]
    async with openai.AsyncOpenAI(**options(front, CHAT)) as client:
        for exchange in chats + responses:
            headers = {REPLAY: exchange.name}
            request = {name: value for name, value in exchange.request.items() if name != "stream"}
            kind: Any = openai.types.chat.ChatCompletion
            kind = kind if exchange in chats else openai.types.responses.Response
            answer = await client.post(
                exchange.path.removeprefix("/v1"),
                body=request,
                cast_to=kind,
                options={"headers": headers},
            )
            assert answer.id == exchange.document["id"]
            assert (
                answer.usage is None
                or answer.usage.total_tokens == exchange.document["usage"]["total_tokens"]
            )
    assert len(land()) == len(chats) + len(responses) > 40
