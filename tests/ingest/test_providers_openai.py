"""The OpenAI dialect: asking for usage, hiding it again, reading exchanges of every shape."""

import gzip
import json
import lzma
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ingest.providers.base import Exchange
from ingest.providers.openai import openai_provider, prepare
from ingest.providers.openai_chat import read_exchange
from ingest.providers.openai_stream import UsageFilter, is_terminal

USAGE = '{"prompt_tokens": 3,"completion_tokens":2, "total_tokens":5}'
CHUNKS = (
    '{"id":"c","model":"m-1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"usage":null}',
    '{"id":"c","model":"m-1","choices":[{"index":0,"delta":{"content":"안녕 🎈"}}],"usage":null}',
    '{"id":"c","model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}',
    f'{{"id":"c","model":"m-1","choices":[],"usage":{USAGE}}}',
    "[DONE]",
)
STREAM = "".join(f"data: {chunk}\n\n" for chunk in CHUNKS)


def read(response: bytes | str, *, request: Any = None, status: int | None = 200, **more: Any) -> Exchange:
    body = response.encode() if isinstance(response, str) else response
    sent = request if isinstance(request, bytes) else json.dumps(request or {}).encode()
    more.setdefault("is_streamed", False)
    return read_exchange(request=sent, response=body, http_status=status, **more)


def plain(message: dict[str, Any], **more: Any) -> str:
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"model": "m-1", "choices": [choice], **more}, ensure_ascii=False)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","stream":true}',
        b' {\n  "stream": true, "model": "m", "messages": [{"content": "\xec\x95\x88"}]}',
        b'{"model":"m","stream":true,"stream_options":{}}',
        b'{"model":"m","stream":true,"stream_options":null}',
        b'{"model":"m","stream":true,"stream_options":{"include_usage":false,"include_obfuscation":false}}',
        b'{"model":"m","stream":true,"messages":[{"content":"\\"stream_options\\":{}"}]}',
    ],
)
def test_a_stream_that_does_not_ask_for_usage_is_made_to(body: bytes) -> None:
    prepared = prepare(body)
    before, after = json.loads(body), json.loads(prepared.body)
    options = {**(before.pop("stream_options", None) or {}), "include_usage": True}
    assert after.pop("stream_options") == options
    assert after == before
    assert (prepared.requested_model, prepared.is_streamed, prepared.strips_usage) == ("m", True, True)


def test_values_keep_their_bytes_when_an_option_is_added() -> None:
    body = b'{"model":"m","temperature":1.10,"seed":123456789012345678901,"stream":true,"stream_options":{}}'
    assert b'"temperature":1.10,"seed":123456789012345678901,' in prepare(body).body
    assert prepare(b'{"stream":true ,"model":"m"}').body.endswith(b'"stream":true ,"model":"m"}')


@pytest.mark.parametrize(
    ("body", "model", "is_streamed"),
    [
        (b'{"model":"m","messages":[]}', "m", False),
        (b'{"model":"m","stream":false}', "m", False),
        (b'{"model":"m","stream":"true"}', "m", False),
        (b'{"model":7}', "", False),
        (b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}', "m", True),
        (b'{"model":"m","stream":true,"stream_options":7}', "m", True),
        (b'{"model":"m","stream":true', "", False),
        (b"not json", "", False),
        (b"", "", False),
        (b"[1]", "", False),
        (b"\xef\xbb\xbf{}", "", False),
        (b"[" * 100_000, "", False),
        (b'{"model":"m","x":' + b"[" * 100_000, "", False),
    ],
)
def test_any_other_body_stays_as_it_is(body: bytes, model: str, is_streamed: bool) -> None:
    prepared = prepare(body)
    assert prepared.body == body
    assert (prepared.requested_model, prepared.is_streamed) == (model, is_streamed)
    assert not prepared.strips_usage


@pytest.mark.parametrize("size", [1, 2, 7, 100, 10_000])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_only_the_extra_usage_frame_is_hidden_however_the_bytes_arrive(size: int, newline: str) -> None:
    data = STREAM.replace("\n", newline).encode()
    frames = STREAM.replace("\n", newline).split(newline * 2)
    expected = (newline * 2).join(f for f in frames if '"choices":[]' not in f).encode()
    hiding = UsageFilter()
    seen = b"".join(hiding.feed(data[i : i + size]) for i in range(0, len(data), size)) + hiding.finish()
    assert seen == expected


def test_frames_that_look_alike_pass() -> None:
    frames = (
        b'data: {"choices":[],"prompt_filter_results":[]}\n\n'
        b'data: {"choices":[{"delta":{"content":"\\"choices\\":[] \\"usage\\":{}"}}],"usage":{"a":1}}\n\n'
        b": keep-alive\n\n"
        b'data: {"choices":[],"usage":null}\n\n'
    )
    hiding = UsageFilter()
    assert hiding.feed(frames) + hiding.finish() == frames


def test_a_huge_frame_is_not_held_back() -> None:
    hiding = UsageFilter()
    assert hiding.feed(b"data: " + b"x" * 100_000) != b""


def test_an_incomplete_last_frame_comes_out_at_the_end() -> None:
    hiding = UsageFilter()
    assert hiding.feed(b'data: {"cho') == b""
    assert hiding.finish() == b'data: {"cho'


def test_the_end_of_a_stream_is_recognised() -> None:
    assert is_terminal(b"\ndata: [DONE]\n\n")
    assert not is_terminal(b"data: [DONE] is what I was told to say")
    assert is_terminal(b"...}\r\n\r\ndata:[DONE]")
    assert not is_terminal(b'data: {"content":"data: [DONE]"}')


def test_the_base_url_is_taken_as_an_sdk_takes_it() -> None:
    assert openai_provider("http://127.0.0.1:9/").base_url == "http://127.0.0.1:9/v1"
    assert openai_provider("https://api.groq.com/openai/v1").base_url == "https://api.groq.com/openai/v1"
    assert openai_provider().upstream_path("/v1/chat/completions") == "/chat/completions"


def test_a_stream_reads_like_its_document() -> None:
    request = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    streamed = read(STREAM, request=request, is_streamed=True)
    document = plain({"content": "안녕 🎈"})[:-1] + f', "usage": {USAGE}}}'
    assert streamed == read(document, request=request)
    assert streamed == Exchange(
        served_model="m-1",
        finish_reason="stop",
        usage=json.loads(USAGE),
        usage_raw=USAGE,
        input_text="hi",
        output_text="안녕 🎈",
    )


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "yes"}, "yes"),
        ({"content": None, "refusal": "I cannot."}, "I cannot."),
        ({"content": ""}, ""),
        ({"content": None}, ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
        (
            {
                "content": None,
                "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"x": 1}'}}],
            },
            'f({"x": 1})',
        ),
        ({"content": None, "function_call": {"name": "g", "arguments": "{}"}}, "g({})"),
        ({"content": "", "function_call": {"name": "", "arguments": ""}}, ""),
        ({"content": 7, "tool_calls": "no"}, ""),
    ],
)
def test_the_answer_is_content_or_refusal_or_tool_calls(message: dict[str, Any], text: str) -> None:
    assert read(plain(message)).output_text == text


def test_streamed_tool_calls_are_put_together_by_index() -> None:
    deltas = [
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"서울"}'}}]},
    ]
    frames = [json.dumps({"choices": [{"index": 0, "delta": d}]}, ensure_ascii=False) for d in deltas]
    body = "".join(f"data: {f}\n\n" for f in frames)
    assert read(body, is_streamed=True).output_text == 'f({"city":"서울"})\ng({})'


def test_several_choices_are_all_kept() -> None:
    choices = [
        {"index": i, "message": {"content": c}, "finish_reason": r}
        for i, c, r in [(1, "b", "length"), (0, "a", "stop")]
    ]
    exchange = read(json.dumps({"choices": choices}))
    assert (exchange.output_text, exchange.finish_reason) == ("a\n\nb", "stop")


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (
            [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "q"},
                {"role": "tool", "content": "t"},
            ],
            "q",
        ),
        (
            [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {}}],
                }
            ],
            "see",
        ),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], ""),
        ([{"role": "system", "content": "s"}], None),
        ("nonsense", None),
        ([1, None, {"role": "user"}], ""),
    ],
)
def test_the_input_is_the_last_user_message(messages: Any, text: str | None) -> None:
    assert read(plain({"content": "x"}), request={"messages": messages}).input_text == text


@pytest.mark.parametrize(
    ("body", "status", "kind", "message"),
    [
        (
            '{"error":{"type":"insufficient_quota","code":"c","message":"no"}}',
            429,
            "insufficient_quota",
            "no",
        ),
        ('{"error":{"code":429,"message":"slow"}}', 429, "http_429", "slow"),
        ('{"error":"model not loaded"}', 503, "http_503", "model not loaded"),
        ('{"detail":"Not Found"}', 404, "http_404", "Not Found"),
        ("<html>bad gateway</html>", 502, "http_502", "<html>bad gateway</html>"),
        ("", 500, "http_500", None),
        ('{"error":{"message":"inside","type":"server_error"}}', 200, "server_error", "inside"),
    ],
)
def test_errors_say_their_type_and_message(body: str, status: int, kind: str, message: str | None) -> None:
    exchange = read(body, status=status)
    assert (exchange.error_type, exchange.error_message, exchange.output_text) == (kind, message, None)


def test_an_error_inside_a_stream_keeps_the_text_before_it() -> None:
    body = STREAM.split("data: {", 3)
    cut = "data: {".join(body[:3]) + 'data: {"error":{"type":"overloaded","message":"later"}}\n\n'
    exchange = read(cut, is_streamed=True)
    assert (exchange.output_text, exchange.error_type, exchange.error_message) == (
        "안녕 🎈",
        "overloaded",
        "later",
    )


def test_a_stream_cut_at_any_byte_reads_without_an_error() -> None:
    data = STREAM.encode()
    texts = {read(data[:i], is_streamed=True).output_text for i in range(len(data))}
    assert texts == {None, "", "안녕 🎈"}


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"choices":{"a":1},"usage":[],"model":3,"error":[]}',
        b'{"choices":[null,1,{"message":null,"index":"x"}]}',
        b"data: \n\ndata: 1\n\ndata: {\n\n",
        b"\x1f\x8b\x08garbage",
        b"\x28\xb5\x2f\xfdgarbage",
    ],
)
@pytest.mark.parametrize("is_streamed", [True, False])
def test_no_response_raises(response: bytes, is_streamed: bool) -> None:
    exchange = read(response, request=response, is_streamed=is_streamed)
    assert exchange.usage is None
    assert not exchange.output_text


def test_usage_survives_text_that_strict_json_forbids() -> None:
    for text in ('"\\ud800"', '"\xff"'.encode("latin-1").decode("latin-1")):
        body = f'{{"choices":[{{"message":{{"content":{text}}}}}],"usage":{USAGE}}}'.encode("latin-1")
        exchange = read(body)
        assert exchange.usage_raw == USAGE
        assert exchange.usage == json.loads(USAGE)
        assert exchange.output_text


def test_compressed_bodies_are_decoded_for_reading() -> None:
    body = plain({"content": "packed"}).encode()
    for packed, encoding in [
        (gzip.compress(body), "gzip"),
        (gzip.compress(body), None),
        (zlib.compress(body), "deflate"),
        (zstandard.compress(body), "zstd"),
        (zstandard.compress(body), None),
    ]:
        assert read(packed, content_encoding=encoding).output_text == "packed"
    unread = read(b"\x0b\x02\x80", content_encoding="br")
    assert (unread.output_text, unread.unreadable) == (None, "no decoder for content-encoding br")


def test_a_truncated_gzip_stream_gives_the_text_before_the_cut() -> None:
    packed = gzip.compress(STREAM.encode() * 50)
    assert (read(packed[:-20], is_streamed=True, content_encoding="gzip").output_text or "").startswith(
        "안녕 🎈"
    )


def test_recorded_exchanges_of_real_providers_are_read(shared_data: Path) -> None:
    seen: Counter[str] = Counter()
    with lzma.open(shared_data / "provider_payloads.jsonl.xz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            request, response = row["request"], row["response"]
            if not isinstance(request, dict) or "messages" not in request or "choices" not in response:
                continue
            exchange = read(json.dumps(response), request=request, status=row["status"])
            seen["read"] += 1
            seen["with usage"] += exchange.usage == response.get("usage")
            seen["with model"] += exchange.served_model is not None
            seen["with text"] += bool(exchange.output_text)
            reason = response["choices"][0]["finish_reason"]
            seen["with reason"] += exchange.finish_reason == (reason or None)
    assert seen["read"] > 300
    assert seen["with usage"] == seen["read"]
    assert seen["with model"] >= 0.99 * seen["read"]
    assert seen["with reason"] == seen["read"]
    assert seen["with text"] >= 0.97 * seen["read"]
