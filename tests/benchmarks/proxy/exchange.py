"""The numbered calls of the benchmarks: what is asked, what the mock answers, what it bills.

Everything follows from a call's number, so that the load generator knows the right answer to the byte and a
ledger can be compared with a warehouse number by number.
"""

from decimal import Decimal

CHAT = "/v1/chat/completions"
MODEL = "gpt-4o-mini"
"""A name that every gateway knows; what the mock says it served has a price of its own."""
SERVED_MODEL = "bench-1-2026-11-01"
STAMPED, FLOOD = "bench-stamped", "bench-flood"
"""Models that stream: frames with the time they were written, and frames without end."""
USD_PER_MILLION = {"input_uncached": Decimal(1), "cache_read": Decimal("0.25"), "output_text": Decimal(4)}
DONE = b"data: [DONE]\n\n"

_DIGITS = 10
_ASK = (
    b'{"model":"%s","user":"n-%%010d","temperature":0.2,"messages":[{"role":"user","content":"%s"}]%%s}'
) % (MODEL.encode(), b"x" * 880)
_ASK_STREAM = b',"stream":true,"stream_options":{"include_usage":true}'
_ANSWER = (
    b'{"id": "chatcmpl-%%010d", "object": "chat.completion", "created": 1793500000, "model": "%s", '
    b'"choices": [{"index": 0, "message": {"role": "assistant", "content": "%s", "refusal": null}, '
    b'"logprobs": null, "finish_reason": "stop"}], "usage": %%s, "service_tier": "default"}'
) % (SERVED_MODEL.encode(), b"y" * 770)
_USAGE = (
    b'{"prompt_tokens": %d, "completion_tokens": %d, "total_tokens": %d, '
    b'"prompt_tokens_details": {"cached_tokens": %d}}'
)
_CHUNK = (
    b'data: {"id": "chatcmpl-%%010d", "object": "chat.completion.chunk", "created": 1793500000, '
    b'"model": "%s", "choices": %%s, "usage": %%s}\n\n'
) % SERVED_MODEL.encode()
_DELTA = b'[{"index": 0, "delta": {"content": "word %d of the answer "}, "finish_reason": %s}]'


def request_body(number: int, *, is_streamed: bool = False) -> bytes:
    """About 1 KB of JSON."""
    return _ASK % (number, _ASK_STREAM if is_streamed else b"")


def number_in(body: bytes) -> int:
    """The number of the call in a request, however a gateway wrote it anew; -1 without one."""
    at = body.find(b'"n-')
    digits = body[at + 3 : at + 3 + _DIGITS]
    return int(digits) if at >= 0 and digits.isdigit() else -1


def tokens_of(number: int) -> tuple[int, int, int]:
    """Prompt (cached ones included), cached and completion tokens of a call."""
    return 100 + number % 397, number % 61, 20 + number % 181


def cost_of(number: int) -> Decimal:
    """USD of a call, exactly."""
    prompt, cached, completion = tokens_of(number)
    return (
        (prompt - cached) * USD_PER_MILLION["input_uncached"]
        + cached * USD_PER_MILLION["cache_read"]
        + completion * USD_PER_MILLION["output_text"]
    ) / 1_000_000


def answer_body(number: int) -> bytes:
    """About 1.2 KB of JSON."""
    return _ANSWER % (number, _usage(number))


def answer_frames(number: int, *, words: int) -> list[bytes]:
    """The same as a stream: `words` frames, then usage, then the end."""
    deltas = [_DELTA % (word, b'"stop"' if word == words - 1 else b"null") for word in range(words)]
    frames = [_CHUNK % (number, delta, b"null") for delta in deltas]
    return [*frames, _CHUNK % (number, b"[]", _usage(number)), DONE]


def _usage(number: int) -> bytes:
    prompt, cached, completion = tokens_of(number)
    return _USAGE % (prompt, completion, prompt + completion, cached)
