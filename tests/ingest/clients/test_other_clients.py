"""curl, LangChain's OpenAI client, and OpenAI's client under OpenTelemetry's instrumentation."""

import asyncio
import json
import shutil

import pytest

from tests.ingest.clients.conftest import Land
from tests.ingest.proxy_calls import KEY
from tests.ingest.recorded import SMALL_BY_NAME
from tests.ingest.replay import REPLAY
from tests.ingest.running_proxy import Proxy
from tests.ingest.upstream import Provider

CHAT = SMALL_BY_NAME["chat"]
TEXT = "풍선입니다 🎈."


async def curl(*arguments: str, sends: bytes) -> bytes:
    """curl's standard output."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    running = await asyncio.create_subprocess_exec(
        "curl",
        "-sS",
        "--no-buffer",
        "--data-binary",
        "@-",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await running.communicate(sends)
    assert running.returncode == 0, errors.decode()
    return output


async def test_curl_gets_documents_streams_and_arrays(front: Proxy, land: Land) -> None:
    content = SMALL_BY_NAME["content"]
    asked = json.dumps(CHAT.request).encode()
    bearer = "-H", f"authorization: Bearer {KEY}", "-H", f"{REPLAY}: {CHAT.name}"
    assert await curl(f"{front.url}/v1/chat/completions", *bearer, sends=asked) == CHAT.response
    streamed = json.dumps({**CHAT.request, "stream": True}).encode()
    got = await curl(f"{front.url}/v1/chat/completions", *bearer, sends=streamed)
    assert got == b"".join(f for f in CHAT.frames() if b'"choices": []' not in f)
    path = content.path.replace(":generateContent", ":streamGenerateContent")
    got = await curl(
        f"{front.url}{path}?key={KEY}",
        "-H",
        f"{REPLAY}: {content.name}",
        sends=json.dumps(content.request).encode(),
    )
    assert got == b"".join(content.frames(is_array=True))
    assert [row["output_text"] for row in land()] == [TEXT, TEXT, "풍선 🎈"]


async def test_a_key_in_the_query_reaches_the_provider_and_no_file(front: Proxy, provider: Provider) -> None:
    content = SMALL_BY_NAME["content"]
    sent = json.dumps({**content.request, "labels": {"copied": KEY}}).encode()
    for query in (f"key={KEY}", f"alt=sse&key={KEY}", f"%6bey={KEY}&alt=sse"):
        path = content.path.replace(":generateContent", ":streamGenerateContent")
        await curl(f"{front.url}{path}?{query}", "-H", f"{REPLAY}: {content.name}", sends=sent)
    await curl(f"{front.url}/v1beta/models/gemini-small:countTokens?key={KEY}", sends=sent)
    assert [target.partition("?")[2] for target in provider.targets] == [
        f"key={KEY}",
        f"alt=sse&key={KEY}",
        f"alt=sse&%6bey={KEY}",
        f"key={KEY}",
    ]
    ids = {call.start.key_id for call in front.calls().values()}
    assert len(ids) == 1
    assert None not in ids
    files = [path for path in front.home.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


async def test_langchain_answers_streams_and_calls_tools(front: Proxy, land: Land) -> None:
    from langchain_openai import ChatOpenAI

    def model(name: str) -> ChatOpenAI:
        return ChatOpenAI(
            model="gpt-small",
            api_key=KEY,  # pyright: ignore[reportArgumentType]
            base_url=f"{front.url}/v1",
            default_headers={REPLAY: name},
            max_retries=0,
        )

    answer = await model("chat").ainvoke("이 사진은? 🎈")
    assert answer.content == TEXT
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] == 29
    chunks = [chunk async for chunk in model("chat").astream("이 사진은? 🎈")]
    assert "".join(str(chunk.content) for chunk in chunks) == TEXT
    called = await model("chat-tools").ainvoke("Weather in 서울?")
    assert called.tool_calls[0]["args"] == {"city": "서울", "usage": {}}
    rows = land()
    assert [row["input_text"] for row in rows] == ["이 사진은? 🎈", "이 사진은? 🎈", "Weather in 서울?"]
    assert all(row["usage"]["total_tokens"] in (29, 16) for row in rows)


async def test_an_instrumented_client_hands_its_trace_on(
    front: Proxy, provider: Provider, land: Land
) -> None:
    import openai
    from opentelemetry import trace
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
    from opentelemetry.propagate import inject
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans = InMemorySpanExporter()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=tracing)
    try:
        with tracing.get_tracer("test").start_as_current_span("request") as span:
            carried: dict[str, str] = {REPLAY: CHAT.name}
            inject(carried)
            async with openai.AsyncOpenAI(
                api_key=KEY, base_url=f"{front.url}/v1", default_headers=carried
            ) as client:
                await client.chat.completions.create(**CHAT.request)
                stream = await client.chat.completions.create(**CHAT.request, stream=True)
                text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    finally:
        instrumentor.uninstrument()
    assert text == TEXT
    trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    assert [row["trace_id"] for row in land()] == [trace_id, trace_id]
    assert provider.headers[0]["traceparent"] == carried["traceparent"]
    told = [each for each in spans.get_finished_spans() if each.name == "chat gpt-small"]
    assert [dict(each.attributes or {}).get("gen_ai.response.model") for each in told] == [
        "gpt-small-2026"
    ] * 2
