"""Google's own client, its base URL changed and nothing else."""

import asyncio
import json

import pytest
from google import genai
from google.genai import errors, types

from tests.ingest.clients.conftest import Land
from tests.ingest.proxy_calls import KEY
from tests.ingest.recorded import SMALL_BY_NAME, Recorded
from tests.ingest.replay import REPLAY
from tests.ingest.running_proxy import Proxy
from tests.ingest.upstream import Provider

# The client itself inherits from aiohttp's session.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
CONTENT = SMALL_BY_NAME["content"]
TEXT = "풍선 🎈"


def client_of(proxy: Proxy, exchange: Recorded) -> genai.Client:
    options = types.HttpOptions(base_url=proxy.url, headers={REPLAY: exchange.name})
    return genai.Client(api_key=KEY, http_options=options)


async def test_content_plain_and_streamed_blocking_and_async(
    front: Proxy, provider: Provider, land: Land
) -> None:
    image = types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")
    contents = [types.Content(role="user", parts=[types.Part(text="이건? 🎈"), image])]

    def run() -> None:
        with client_of(front, CONTENT) as client:
            assert client.models.generate_content(model="gemini-small", contents=contents).text == TEXT
            chunks = list(client.models.generate_content_stream(model="gemini-small", contents=contents))
            assert "".join(chunk.text or "" for chunk in chunks) == TEXT

    await asyncio.to_thread(run)
    client = client_of(front, CONTENT)
    async with client.aio as aio:
        answer = await aio.models.generate_content(model="gemini-small", contents=contents)
        assert answer.text == TEXT
        assert answer.usage_metadata is not None
        assert answer.usage_metadata.thoughts_token_count == 2
        stream = await aio.models.generate_content_stream(model="gemini-small", contents=contents)
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.text or "" for chunk in chunks) == TEXT
    assert provider.targets[1] == "/v1beta/models/gemini-small:streamGenerateContent?alt=sse"
    assert {headers["x-goog-api-key"] for headers in provider.headers} == {KEY}
    rows = land()
    assert [row["is_streamed"] for row in rows] == [False, True, False, True]
    for row in rows:
        assert (row["output_text"], row["finish_reason"]) == (TEXT, "STOP")
        assert (row["input_text"], row["served_model"]) == ("이건? 🎈", "gemini-small-001")
        assert (row["requested_model"], row["provider"]) == ("gemini-small", "google")
        assert row["usage"] == CONTENT.document["usageMetadata"]
    assert {row["endpoint"] for row in rows} == {
        "/v1beta/models/{model}:generateContent",
        "/v1beta/models/{model}:streamGenerateContent",
    }


async def test_function_calls_arrive_whole(front: Proxy, land: Land) -> None:
    exchange = SMALL_BY_NAME["content-tools"]
    async with client_of(front, exchange).aio as aio:
        answer = await aio.models.generate_content(model="gemini-small", contents="Weather?")
    assert answer.function_calls is not None
    assert answer.function_calls[0].args == {"usageMetadata": {"totalTokenCount": 0}}
    (row,) = land()
    assert row["output_text"] == 'weather({"usageMetadata":{"totalTokenCount":0}})'
    assert row["usage"] == exchange.document["usageMetadata"]


async def test_an_error_is_the_providers_own(front: Proxy, land: Land) -> None:
    exchange = SMALL_BY_NAME["content-error"]
    async with client_of(front, exchange).aio as aio:
        with pytest.raises(errors.ClientError, match="Quota exceeded") as raised:
            await aio.models.generate_content(model="gemini-none", contents="Hi")
    assert (raised.value.code, raised.value.status) == (429, "RESOURCE_EXHAUSTED")
    (row,) = land()
    assert (row["error_type"], row["error_message"]) == ("RESOURCE_EXHAUSTED", "Quota exceeded")


async def test_counting_tokens_and_listing_models_pass_without_a_row(
    front: Proxy, provider: Provider
) -> None:
    async with client_of(front, SMALL_BY_NAME["embeddings"]).aio as aio:
        await aio.models.count_tokens(model="gemini-small", contents="몇 개?")
        await aio.models.list()
    assert provider.targets[0] == "/v1beta/models/gemini-small:countTokens"
    assert json.loads(provider.bodies[0])["contents"][0]["parts"] == [{"text": "몇 개?"}]
    assert provider.targets[1].startswith("/v1beta/models")
    assert not front.calls()


@pytest.mark.filterwarnings("ignore:.* is not a valid FinishReason:UserWarning")
async def test_recorded_exchanges_parse_as_they_did(
    front: Proxy, recorded: list[Recorded], land: Land
) -> None:
    found = [e for e in recorded if e.wire == "gemini" and "candidates" in e.document][::8]
    async with client_of(front, CONTENT).aio as aio:
        for exchange in found:
            model = exchange.path.removeprefix("/v1beta/models/").partition(":")[0]
            options = types.HttpOptions(headers={REPLAY: exchange.name})
            config = types.GenerateContentConfig(http_options=options)
            answer = await aio.models.generate_content(model=model, contents="Hi", config=config)
            assert answer.model_version == exchange.document["modelVersion"]
            assert answer.usage_metadata is not None
            said = exchange.document["usageMetadata"]
            assert answer.usage_metadata.total_token_count == said.get("totalTokenCount")
    assert len(land()) == len(found) > 30
