"""JSON asked for, and the schema it should keep to."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer", "minimum": 0}},
    "required": ["city"],
    "additionalProperties": False,
}


def request(**fields: object) -> bytes:
    return json.dumps({"model": "m", "messages": [], **fields}).encode()


def openai_schema(schema: object) -> bytes:
    return request(response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema}})


ASKING = [
    request(response_format={"type": "json_object"}),
    request(text={"format": {"type": "json_object"}}),
    request(generationConfig={"responseMimeType": "application/json"}),
    request(format="json"),
    request(messages=[{"role": "system", "content": "Always answer in valid JSON."}]),
    request(system=[{"type": "text", "text": "Respond only with a JSON object."}]),
    openai_schema(SCHEMA),
]


@pytest.mark.parametrize("body", ASKING)
def test_prose_where_the_request_asks_for_json_is_invalid(judge: Callable[..., Any], body: bytes) -> None:
    assert judge("invalid_json", request=body, output_text="Sure! Here it is.").failed is True
    assert judge("invalid_json", request=body, output_text='{"city": "Paris"}').failed is False


@pytest.mark.parametrize(
    "prompt",
    [
        "List three cities. Return the result as JSON.",
        "Wrap your entire output in JSON format.",
        "Please use JSON format and add nothing outside of the block.",
        "도시 세 곳을 JSON 형식으로 알려줘",
        "결과를 JSON으로만 출력해 주세요 🙏",
        "都市を3つ、JSON形式で答えてください。",
        "Responde en formato JSON con tres ciudades.",
        "Réponds au format JSON, s'il te plaît.",
    ],
)
def test_a_prompt_can_ask_for_json_in_words(judge: Callable[..., Any], prompt: str) -> None:
    assert judge("invalid_json", input_text=prompt, output_text="Paris, Rome").failed is True


@pytest.mark.parametrize(
    "prompt",
    [
        "What is JSON?",
        "Write a Python function that parses a JSON file.",
        "Convert this JSON to a table: {}",
        "List three cities, but do not use JSON.",
        "Write a JSON schema for a beta cruiser that includes a placeholder.",
        "JSON이란 무엇인가요?",
        "Tell me about Jason.",
    ],
)
def test_talk_about_json_does_not_ask_for_it(judge: Callable[..., Any], prompt: str) -> None:
    assert judge("invalid_json", input_text=prompt, output_text="Sure.").reason == "not_applicable"


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ('```json\n{"a": "한글 👍"}\n```', True),
        ("```\n[1, 2]\n```", True),
        ("null", True),
        ('{"a": 1' + "0" * 5000 + "}", True),
        ('{"a": NaN}', False),
        ('{"a": 1,}', False),
        ("{'a': 1}", False),
        ('Here: {"a": 1}', False),
        ('{"a": 1} {"b": 2}', False),
        ("", False),
    ],
)
def test_what_counts_as_json(judge: Callable[..., Any], text: str, is_valid: bool) -> None:
    assert judge("invalid_json", request=ASKING[0], output_text=text).failed is not is_valid


def test_json_that_nests_too_deep_is_not_evaluable(judge: Callable[..., Any]) -> None:
    verdict = judge("invalid_json", request=ASKING[0], output_text="[" * 100_000)
    assert (verdict.failed, verdict.reason) == (None, "not_evaluable")


def test_without_the_request_nobody_knows_whether_json_was_asked_for(judge: Callable[..., Any]) -> None:
    assert judge("invalid_json", request=None).reason == "not_evaluable"
    assert judge("json_schema", request=None).reason == "not_evaluable"
    assert judge("invalid_json", request=b'{"response_format": {"type"').reason == "not_evaluable"


@pytest.mark.parametrize(
    "body",
    [
        openai_schema(SCHEMA),
        request(text={"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}}),
        request(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}),
        request(generationConfig={"responseJsonSchema": SCHEMA}),
        request(format=SCHEMA),
    ],
)
def test_a_broken_schema_is_found_at_every_provider(judge: Callable[..., Any], body: bytes) -> None:
    broken = judge("json_schema", request=body, output_text='{"city": "Paris", "people": "secret"}')
    assert broken.failed is True
    assert "people" in (broken.evidence or "")
    assert "secret" not in (broken.evidence or "")
    assert judge("json_schema", request=body, output_text='```json\n{"city": "Paris"}\n```').failed is False


def test_an_answer_that_is_no_json_breaks_no_schema(judge: Callable[..., Any]) -> None:
    assert judge("json_schema", request=openai_schema(SCHEMA), output_text="Paris").reason == "not_applicable"


DOUBLING = {
    "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)}
    | {"d60": {"type": "string"}},
    "$ref": "#/$defs/d0",
}
SELF_DOUBLING = {"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}
DEEP: dict[str, object] = {"type": "object"}
for _ in range(300):
    DEEP = {"type": "object", "properties": {"a": DEEP}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strin"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/$defs/nowhere"},
        {"$dynamicRef": "#x"},
        {"type": "string", "pattern": "(a{1000}){1000}"},
        {"enum": ["x" * 300_000]},
        DOUBLING,
        SELF_DOUBLING,
        DEEP,
        [],
        "no schema",
    ],
    ids=lambda schema: str(schema)[:40],
)
def test_a_hostile_schema_is_not_evaluable_and_quick(judge: Callable[..., Any], schema: object) -> None:
    answer = "[" * 60 + "]" * 60
    started = time.thread_time()
    verdict = judge("json_schema", request=openai_schema(schema), output_text=answer)
    assert (verdict.failed, verdict.reason) == (None, "not_evaluable")
    assert time.thread_time() - started < 20


def test_a_recursive_schema_is_judged(judge: Callable[..., Any]) -> None:
    tree = {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"}},
                "additionalProperties": False,
            }
        },
        "$ref": "#/$defs/node",
    }
    deep = '{"left": ' * 20 + "{}" + "}" * 20
    assert judge("json_schema", request=openai_schema(tree), output_text=deep).failed is False
    assert (
        judge("json_schema", request=openai_schema(tree), output_text=deep.replace("{}", '{"x": 1}')).failed
        is True
    )


def test_a_pattern_that_looks_around_is_judged_within_bounds(judge: Callable[..., Any]) -> None:
    amount = openai_schema({"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"})
    assert judge("json_schema", request=amount, output_text='"12.50"').failed is False
    assert judge("json_schema", request=amount, output_text='"twelve"').failed is True
    endless = openai_schema({"type": "string", "pattern": "^(?=(a|aa)+$).*b$"})
    started = time.thread_time()
    verdict = judge("json_schema", request=endless, output_text='"' + "a" * 100_000 + '"')
    assert verdict.reason == "not_evaluable"
    assert time.thread_time() - started < 20


def test_a_schema_in_a_circle_ends(judge: Callable[..., Any]) -> None:
    circle = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
    started = time.thread_time()
    judge("json_schema", request=openai_schema(circle), output_text='{"a": 1}')
    assert time.thread_time() - started < 20
