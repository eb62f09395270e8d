"""Rows as other tools export them, made up after the shapes that docs/importing.md names."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def langfuse_time(at: datetime) -> str:
    """As the blob storage export writes UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"


def observation(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A row of Langfuse's `observations_v2/`; a change to `...` leaves the member out."""
    at = NOON + timedelta(seconds=number)
    asked = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"서울까지 배송되나요? 🚚 {number}"},
    ]
    row = {
        "id": f"obs-{number}",
        "trace_id": f"trace-{number}",
        "project_id": "cm-project",
        "environment": "production",
        "type": "GENERATION",
        "parent_observation_id": "",
        "start_time": langfuse_time(at),
        "end_time": langfuse_time(at + timedelta(milliseconds=1250)),
        "name": "answer",
        "metadata": {"feature": "faq"},
        "level": "DEFAULT",
        "status_message": "",
        "version": "",
        "input": json.dumps(asked, ensure_ascii=False),
        "output": json.dumps(
            {"role": "assistant", "content": f"네, 3일 안에요. {number}"}, ensure_ascii=False
        ),
        "provided_model_name": "gpt-4o-mini",
        "model_parameters": '{"temperature":0.7}',
        "usage_details": {"input": 12, "input_cached_tokens": 8, "output": 9, "total": 29},
        "cost_details": {"input": 0.0000018, "output": 0.0000054},
        "completion_start_time": langfuse_time(at + timedelta(milliseconds=310)),
        "prompt_name": "answer-question",
        "prompt_version": 12,
        "total_cost": 0.0000072,
        "latency": 1.25,
        "time_to_first_token": 0.31,
        "model_id": "cm-model",
        "created_at": langfuse_time(at),
        "updated_at": langfuse_time(at),
        "prompt_id": "cm-prompt",
        "tool_calls": [],
        "tool_call_names": [],
        "tool_definitions": {},
        "usage_pricing_tier_id": None,
        "usage_pricing_tier_name": None,
        "input_price": "0.00000015",
        "output_price": "0.0000006",
        "total_price": None,
        "user_id": "user-17",
        "session_id": f"s-{number // 2}",
        "trace_name": "chat",
        "tags": ["web", "한국"],
        "release": "v1",
        "bookmarked": False,
        "public": False,
    }
    return _changed(row, changes)


def score(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A row of Langfuse's `scores/`, of observation `number`."""
    row = {
        "id": f"score-{number}",
        "timestamp": langfuse_time(NOON + timedelta(minutes=10, seconds=number)),
        "project_id": "cm-project",
        "environment": "production",
        "trace_id": f"trace-{number}",
        "observation_id": f"obs-{number}",
        "session_id": None,
        "dataset_run_id": None,
        "name": "helpfulness",
        "value": 0.75,
        "source": "EVAL",
        "comment": "clear",
        "data_type": "NUMERIC",
        "string_value": None,
        "created_at": langfuse_time(NOON),
        "updated_at": langfuse_time(NOON),
    }
    return _changed(row, changes)


def trace(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A row of Langfuse's legacy `traces/`."""
    row = {
        "id": f"trace-{number}",
        "timestamp": langfuse_time(NOON),
        "name": "chat",
        "environment": "staging",
        "project_id": "cm-project",
        "metadata": {},
        "user_id": f"user-{number}",
        "session_id": "s-legacy",
        "release": "v0",
        "version": None,
        "public": False,
        "bookmarked": False,
        "tags": ["old"],
        "input": None,
        "output": None,
        "created_at": langfuse_time(NOON),
        "updated_at": langfuse_time(NOON),
    }
    return _changed(row, changes)


def api_observation(number: int = 0, **changes: Any) -> dict[str, Any]:
    """The same observation as Langfuse's `GET /api/public/observations` gives it."""
    at = NOON + timedelta(seconds=number)
    row = {
        "id": f"obs-{number}",
        "traceId": f"trace-{number}",
        "type": "GENERATION",
        "name": "answer",
        "startTime": at.isoformat().replace("+00:00", "Z"),
        "endTime": (at + timedelta(milliseconds=1250)).isoformat().replace("+00:00", "Z"),
        "completionStartTime": None,
        "model": "claude-sonnet-4-5",
        "modelParameters": {"max_tokens": 100},
        "input": [{"role": "user", "content": "hello"}],
        "output": {"role": "assistant", "content": [{"type": "text", "text": "hi"}]},
        "metadata": {"ls_provider": "anthropic"},
        "usageDetails": {"input": 10, "cache_read_input_tokens": 5, "output": 2},
        "usage": {"input": 10, "output": 2, "unit": "TOKENS"},
        "level": "DEFAULT",
        "statusMessage": None,
        "parentObservationId": None,
        "calculatedTotalCost": 0.00006,
        "environment": "default",
    }
    return _changed(row, changes)


def helicone_request(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A request of Helicone's export tool with `--include-body`."""
    at = NOON + timedelta(seconds=number)
    row = {
        "response_id": f"res-{number}",
        "response_created_at": (at + timedelta(seconds=1)).isoformat(),
        "response_status": 200,
        "response_model": "gpt-4o-mini-2024-07-18",
        "request_id": f"3b9f1c52-0000-4000-8000-{number:012x}",
        "request_created_at": at.isoformat(),
        "request_path": "https://api.openai.com/v1/chat/completions",
        "request_user_id": "user-17",
        "request_properties": {"Helicone-Session-Id": "s-204", "feature": "faq"},
        "request_model": "gpt-4o-mini",
        "model_override": None,
        "helicone_user": None,
        "provider": "OPENAI",
        "delay_ms": 812,
        "time_to_first_token": None,
        "total_tokens": 30,
        "prompt_tokens": 21,
        "prompt_cache_write_tokens": 0,
        "prompt_cache_read_tokens": 0,
        "completion_tokens": 9,
        "prompt_id": "answer-question",
        "feedback_created_at": (at + timedelta(hours=2)).isoformat(),
        "feedback_id": "fb-1",
        "feedback_rating": True,
        "signed_body_url": None,
        "llmSchema": None,
        "country_code": "KR",
        "asset_ids": None,
        "asset_urls": None,
        "scores": {"accuracy": 90, "brief": {"value": 1, "valueType": "boolean"}},
        "costUSD": 0.0000085,
        "properties": {"feature": "faq"},
        "assets": [],
        "target_url": "https://api.openai.com/v1/chat/completions",
        "model": "gpt-4o-mini",
        "request_body": {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": f"안녕 👋 {number}"}],
        },
        "response_body": completion(number),
    }
    return _changed(row, changes)


def spend_log(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A row of `LiteLLM_SpendLogs` with stored prompts, as its API gives it."""
    at = NOON + timedelta(seconds=number)
    row = {
        "request_id": f"chatcmpl-litellm-{number}",
        "call_type": "acompletion",
        "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
        "spend": 0.0000085,
        "total_tokens": 30,
        "prompt_tokens": 21,
        "completion_tokens": 9,
        "startTime": f"{at:%Y-%m-%dT%H:%M:%S}.000",
        "endTime": f"{at + timedelta(seconds=2):%Y-%m-%dT%H:%M:%S}.500",
        "completionStartTime": f"{at + timedelta(seconds=2):%Y-%m-%dT%H:%M:%S}.500",
        "model": "gpt-4o-mini-2024-07-18",
        "model_id": "m-1",
        "model_group": "fast-chat",
        "custom_llm_provider": "openai",
        "api_base": "https://api.openai.com",
        "user": "default_user_id",
        "metadata": {
            "user_api_key_alias": "shop",
            "user_api_key_team_alias": "shop-team",
            "usage_object": {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30},
        },
        "cache_hit": "False",
        "cache_key": "Cache OFF",
        "request_tags": ["faq"],
        "team_id": "t-1",
        "organization_id": None,
        "end_user": "user-17",
        "requester_ip_address": "10.0.0.1",
        "messages": [{"role": "user", "content": f"안녕 👋 {number}"}],
        "response": completion(number),
        "session_id": "s-204",
        "status": "success",
        "proxy_server_request": {},
    }
    return _changed(row, changes)


def logging_payload(number: int = 0, **changes: Any) -> dict[str, Any]:
    """LiteLLM's `StandardLoggingPayload`, as one file of a bucket holds it."""
    at = NOON.timestamp() + number
    row = {
        "id": f"chatcmpl-payload-{number}",
        "trace_id": "tr-1",
        "call_type": "completion",
        "cache_hit": None,
        "stream": True,
        "status": "success",
        "custom_llm_provider": "bedrock",
        "saved_cache_cost": 0.0,
        "startTime": at,
        "endTime": at + 2.5,
        "completionStartTime": at + 0.4,
        "response_time": 0.4,
        "model": "anthropic.claude-3-haiku",
        "metadata": {"user_api_key_team_alias": "shop-team"},
        "response_cost": 0.00001,
        "total_tokens": 30,
        "prompt_tokens": 21,
        "completion_tokens": 9,
        "request_tags": [],
        "end_user": "",
        "api_base": "",
        "model_group": "haiku",
        "model_id": "m-2",
        "messages": [{"role": "user", "content": "hello"}],
        "response": completion(number),
        "model_parameters": {"temperature": 0},
        "hidden_params": {},
        "model_map_information": {},
        "error_str": None,
        "error_information": None,
    }
    return _changed(row, changes)


def stored_completion(number: int = 0, **changes: Any) -> dict[str, Any]:
    """An item of OpenAI's `GET /v1/chat/completions`, with its messages put beside it."""
    row = {
        **completion(number),
        "created": int(NOON.timestamp()) + number,
        "request_id": "req_1",
        "tool_choice": None,
        "seed": 7,
        "temperature": 1.0,
        "input_user": "user-17",
        "service_tier": "default",
        "tools": None,
        "metadata": {"feature": "faq"},
        "messages": {
            "object": "list",
            "data": [
                {
                    "id": "m-0",
                    "role": "user",
                    "content": f"안녕 👋 {number}",
                    "name": None,
                    "content_parts": None,
                }
            ],
        },
    }
    return _changed(row, changes)


def completion(number: int = 0) -> dict[str, Any]:
    """An answer of OpenAI's chat completions."""
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": int(NOON.timestamp()) + number,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": f"네 {number}", "refusal": None},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30},
    }


def traces_document(count: int = 1, *, first: int = 0) -> dict[str, Any]:
    """OTLP's JSON: `count` OpenInference spans of a model, each under a chain, the first one evaluated."""
    spans: list[dict[str, Any]] = []
    for number in range(first, first + count):
        start = int(NOON.timestamp() * 1e9) + number * 10**9
        spans.append(_span(number, start, kind="CHAIN", events=[]))
        spans.append(_span(number, start, kind="LLM", events=_evaluation(start) if number == 0 else []))
    resource = {"attributes": _attributes({"service.name": "shop"})}
    return {
        "resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "oi"}, "spans": spans}]}]
    }


def lines(*rows: dict[str, Any]) -> bytes:
    """The rows as JSONL."""
    return b"".join(
        json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n" for row in rows
    )


def _span(number: int, start: int, *, kind: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    attributes = {
        "openinference.span.kind": kind,
        "llm.model_name": "gpt-4o-mini",
        "llm.provider": "openai",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": f"안녕 {number}",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "네",
        "llm.token_count.prompt": 12,
        "llm.token_count.completion": 3,
        "session.id": "s-204",
    }
    return {
        "traceId": TRACE,
        "spanId": f"{number + 1:015x}{'a' if kind == 'LLM' else 'b'}",
        "name": "ChatCompletion",
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 10**9),
        "attributes": _attributes(attributes),
        "events": events,
        "status": {},
    }


def _evaluation(start: int) -> list[dict[str, Any]]:
    said = {
        "gen_ai.evaluation.name": "relevance",
        "gen_ai.evaluation.score.value": 0.9,
        "gen_ai.evaluation.score.label": "relevant",
    }
    return [{"name": "gen_ai.evaluation.result", "timeUnixNano": str(start), "attributes": _attributes(said)}]


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"doubleValue": value}


def _changed(row: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**row, **changes}.items() if value is not ...}
