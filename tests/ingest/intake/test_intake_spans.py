"""Spans of every convention become the call they tell of; spans of anything else become none."""

import json
from typing import Any

import pytest

from evaluators.usage import Buckets, bucket_usage
from ingest.importers.delivered import Sender, read_delivered
from tests.ingest.intake.spans import (
    ANSWERED,
    ASKED,
    CHAT,
    EARLIEST,
    LATEST,
    SPAN,
    START,
    TRACE,
    call_of,
    line_for,
)


@pytest.mark.parametrize(
    "attributes",
    [
        {
            **CHAT,
            "gen_ai.system_instructions": [{"type": "text", "content": "Be kind."}],
            "gen_ai.input.messages": json.dumps(
                [
                    {"role": "user", "parts": [{"type": "text", "content": "first"}]},
                    {"role": "user", "parts": [{"type": "text", "content": "배송은? 🎈"}]},
                ]
            ),
            "gen_ai.output.messages": json.dumps(
                [
                    {
                        "role": "assistant",
                        "parts": [{"type": "text", "content": "3일"}],
                        "finish_reason": "stop",
                    }
                ]
            ),
        },
        {
            **CHAT,
            "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "배송은? 🎈"}]}],
            "gen_ai.output.messages": [{"role": "assistant", "content": "3일"}],
            "gen_ai.response.finish_reasons": ["stop"],
        },
        {
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-4o",
            "llm.request.type": "chat",
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "Be kind.",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": "배송은? 🎈",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "3일",
            "gen_ai.completion.0.finish_reason": "stop",
        },
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "openai",
            "llm.invocation_parameters": '{"model": "gpt-4o"}',
            "llm.model_name": "gpt-4o-2024-08-06",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.contents.0.message_content.type": "text",
            "llm.input_messages.0.message.contents.0.message_content.text": "배송은? 🎈",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "3일",
            "llm.finish_reason": "stop",
        },
        {
            "openinference.span.kind": "LLM",
            "llm.system": "openai",
            "llm.model_name": "gpt-4o",
            "input.value": "배송은? 🎈",
            "output.value": "3일",
            "llm.finish_reason": "stop",
        },
    ],
    ids=["opentelemetry, json", "opentelemetry, structured", "openllmetry", "openinference", "plain values"],
)
def test_messages_are_read_wherever_an_instrumentation_puts_them(attributes: dict[str, Any]) -> None:
    call = call_of(attributes)
    assert (call.provider, call.requested_model, call.finish_reason) == ("openai", "gpt-4o", "stop")
    assert (call.input_text, call.output_text) == ("배송은? 🎈", "3일")
    assert (call.source, call.external_id, call.trace_id) == ("otlp", f"{TRACE}:{SPAN}", TRACE)
    assert (call.latency_ms, call.status, call.project) == (1500.0, "ok", "shop")


@pytest.mark.parametrize(
    "events",
    [
        [
            {"name": "gen_ai.system.message", "attributes": {"content": "Be kind."}},
            {"name": "gen_ai.user.message", "attributes": {"content": "배송은? 🎈"}},
            {
                "name": "gen_ai.choice",
                "attributes": {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": '{"role": "assistant", "content": "3일"}',
                },
            },
        ],
        [
            {
                "name": "gen_ai.content.prompt",
                "attributes": {"gen_ai.prompt": '[{"role":"user","content":"배송은? 🎈"}]'},
            },
            {"name": "gen_ai.content.completion", "attributes": {"gen_ai.completion": "3일"}},
        ],
        [
            {
                "name": "gen_ai.client.inference.operation.details",
                "attributes": {
                    "gen_ai.input.messages": ASKED,
                    "gen_ai.output.messages": ANSWERED,
                },
            }
        ],
    ],
    ids=["messages", "content", "details"],
)
def test_messages_in_events_are_read(events: list[dict[str, Any]]) -> None:
    call = call_of(CHAT, events=events)
    assert (call.input_text, call.output_text) == ("배송은? 🎈", "3일")
    assert call.request is not None
    assert json.loads(call.request)["messages"][-1] == {"role": "user", "content": "배송은? 🎈"}


def test_tool_calls_stand_in_the_response_and_in_its_text() -> None:
    expected = 'weather({"city":"Seoul"})'
    flat = {
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.tool_calls.0.id": "call_1",
        "gen_ai.completion.0.tool_calls.0.name": "weather",
        "gen_ai.completion.0.tool_calls.0.arguments": '{"city":"Seoul"}',
    }
    nested = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "call_1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "weather",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"city":"Seoul"}',
    }
    part = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Seoul"}}
    structured = {**CHAT, "gen_ai.output.messages": [{"role": "assistant", "parts": [part]}]}
    for attributes in (flat, nested, structured):
        call = call_of(attributes)
        assert call.output_text == expected
        assert call.response is not None
        message = json.loads(call.response)["choices"][0]["message"]
        assert message["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Seoul"}'}


def test_an_embedding_has_input_and_tokens_but_neither_answer_nor_vectors() -> None:
    call = call_of(
        {
            "openinference.span.kind": "EMBEDDING",
            "embedding.model_name": "text-embedding-3-small",
            "llm.token_count.prompt": 4,
            "llm.token_count.total": 4,
            "input.value": '{"model": "text-embedding-3-small", "input": "배송"}',
            "output.value": '{"data": [{"embedding": [0.1]}], "usage": {"prompt_tokens": 4}}',
            "embedding.embeddings.0.embedding.text": "배송",
            "embedding.embeddings.0.embedding.vector": [0.5] * 1536,
        }
    )
    assert (call.endpoint, call.input_text, call.output_text) == ("embeddings", "배송", None)
    assert bucket_usage(call.usage, endpoint=call.endpoint) == Buckets(input_uncached=4)
    assert len(json.dumps(call.tags)) < 1000


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"http.request.method": "POST"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"},
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.system": "openai",
        },
        {"openinference.span.kind": "CHAIN", "llm.model_name": "gpt-4o"},
        {"openinference.span.kind": "TOOL"},
        {"traceloop.span.kind": "workflow", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"},
        {"llm.request.type": "rerank", "gen_ai.system": "cohere", "gen_ai.request.model": "rerank-3"},
        {**CHAT, "lqo.call_id": "019a9bfc-6200-76b4-ab42-29cd7a39c564"},
    ],
)
def test_spans_that_call_no_model_are_no_calls(attributes: dict[str, Any]) -> None:
    assert line_for(attributes) is None


def test_a_failed_span_says_what_failed() -> None:
    exception = {"exception.type": "openai.RateLimitError", "exception.message": "slow down"}
    call = call_of(
        {**CHAT, "http.response.status_code": 429},
        status={"code": 2},
        events=[{"name": "exception", "timeUnixNano": str(START), "attributes": exception}],
    )
    assert (call.status, call.error_type, call.error_message) == (
        "error",
        "openai.RateLimitError",
        "slow down",
    )
    assert call.http_status == 429
    named = call_of({**CHAT, "error.type": "500"}, status={"code": "STATUS_CODE_ERROR", "message": "broken"})
    assert (named.status, named.error_type, named.error_message, named.http_status) == (
        "error",
        "500",
        "broken",
        500,
    )


def test_the_first_token_is_timed_by_an_attribute_or_an_event() -> None:
    timed = call_of({**CHAT, "gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": 0.25})
    told = call_of(
        CHAT, events=[{"name": "First Token Stream Event", "timeUnixNano": str(START + 250_000_000)}]
    )
    assert (timed.ttft_ms, told.ttft_ms) == (250.0, 250.0)
    assert timed.is_streamed
    assert told.is_streamed


def test_names_come_from_the_span_and_its_resource() -> None:
    call = call_of(
        {
            **CHAT,
            "session.id": "s-1",
            "user.id": "민지",
            "gen_ai.prompt.name": "answer",
            "gen_ai.prompt.version": 3,
            "gen_ai.request.temperature": 0.5,
        },
        resource={"service.name": "unknown_service:python", "deployment.environment": "prod"},
    )
    assert (call.session_id, call.user_id, call.prompt_name, call.prompt_version) == (
        "s-1",
        "민지",
        "answer",
        "3",
    )
    assert (call.project, call.environment) == (None, "prod")
    assert call.tags["gen_ai.request.temperature"] == 0.5
    assert call_of({**CHAT, "gen_ai.conversation.id": "c-9"}).session_id == "c-9"


@pytest.mark.parametrize(
    ("said", "provider"),
    [
        ("azure.ai.openai", "azure"),
        ("gcp.gemini", "google"),
        ("Anthropic", "anthropic"),
        ("my-own", "my-own"),
    ],
)
def test_providers_have_the_names_of_price_lists(said: str, provider: str) -> None:
    assert call_of({**CHAT, "gen_ai.provider.name": said}).provider == provider


def test_what_nobody_reads_is_kept_within_bounds() -> None:
    many = {f"app.setting.{number}": "x" * 5000 for number in range(300)}
    call = call_of({**CHAT, **many, "a" * 5000: 1, "gen_ai.prompt.99999999.content": "far"})
    assert len(call.tags) <= 65
    assert call.tags["lqo.dropped_attributes"] > 200
    assert len(json.dumps(call.tags)) < 80_000


def test_the_same_span_is_the_same_call_and_another_source_is_another() -> None:
    line = line_for(CHAT)
    assert line is not None
    ids = {
        source: read_delivered(line, sender=Sender(source), earliest=EARLIEST, latest=LATEST)
        for source in ("otlp", "import")
    }
    again = call_of(CHAT)
    assert again == ids["otlp"]
    assert again.call_id != ids["import"].call_id  # pyright: ignore[reportAttributeAccessIssue]


def test_hostile_attributes_do_not_break_the_reading() -> None:
    nested: Any = "deep"
    for _ in range(30):
        nested = {"gen_ai": [nested]}
    call = call_of(
        {
            **CHAT,
            "gen_ai.input.messages": '[{"role": 3, "parts": "x"}, 7, {"parts": [{"type": "text"}]}]',
            "gen_ai.output.messages": "{broken",
            "gen_ai.response.finish_reasons": 17,
            "gen_ai.usage.input_tokens": [1],
            "gen_ai.prompt.x.content": "no number",
            "gen_ai.prompt.0": "no object",
            "gen_ai.prompt.0.role": {"a": 1},
            "gen_ai.completion.0.tool_calls.0": "no call",
            "user.id": {"not": "a name"},
            "app.nested": nested,
            "app.nul": "a\x00b",
            "app.big": 2**62,
        },
        events=[{"name": "gen_ai.choice", "attributes": {"message": "[1"}}, {"name": "exception"}],
        traceId="zz",
    )
    assert call.requested_model == "gpt-4o"
    assert call.external_id is None
    assert call.user_id is None
