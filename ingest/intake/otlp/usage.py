"""Token counts of a span as a usage object that `evaluators.usage` reads.

What the conventions say: OpenTelemetry's `input_tokens` includes cached tokens, read and written, and its
`output_tokens` reasoning (semantic-conventions, model/gen-ai/registry.yaml); OpenInference's `*_details` are
parts of `prompt` and `completion` (spec/semantic_conventions.md); OpenLLMetry adds Anthropic's cache tokens
to its prompt tokens. So all three become OpenAI's object, whose parts are included likewise. Only where the
total proves that the cached tokens stand beside the input does it become Anthropic's. Counts that fit
neither are left to the reader, which refuses them with a reason.
"""

from typing import Any

import msgspec

from ingest.intake.otlp.reading import Reader

_INPUT = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
    "llm.usage.prompt_tokens",
)
_OUTPUT = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
    "llm.usage.completion_tokens",
)
_TOTAL = ("llm.usage.total_tokens", "gen_ai.usage.total_tokens", "llm.token_count.total")
_CACHE_READ = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.input_tokens.cached",
    "llm.token_count.prompt_details.cache_read",
    "llm.usage.cache_read_input_tokens",
)
_CACHE_WRITE = (
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.input_tokens.cache_write",
    "llm.token_count.prompt_details.cache_write",
    "llm.usage.cache_creation_input_tokens",
)
_REASONING = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.output_tokens.reasoning",
    "llm.token_count.completion_details.reasoning",
    "llm.usage.reasoning_tokens",
)
_AUDIO_IN = ("gen_ai.usage.audio.input_tokens", "llm.token_count.prompt_details.audio")
_AUDIO_OUT = ("gen_ai.usage.audio.output_tokens", "llm.token_count.completion_details.audio")
_IMAGE_OUT = ("gen_ai.usage.image.output_tokens",)
_TIER = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")
_NAMES = (
    *_INPUT,
    *_OUTPUT,
    *_TOTAL,
    *_CACHE_READ,
    *_CACHE_WRITE,
    *_REASONING,
    *_AUDIO_IN,
    *_AUDIO_OUT,
    *_IMAGE_OUT,
)


def read_usage(reader: Reader) -> tuple[dict[str, Any] | None, str | None]:
    """The usage object and, as JSON, the attributes it is made of; None where the span counts nothing.

    Values stay as they came: whether they are counts is for the reader of usage objects to say.
    """
    given = {name: value for name in _NAMES if (value := reader.attributes.get(name)) is not None}
    if not given:
        return None, None
    usage = _beside(reader) or _inside(reader)
    if (tier := reader.text(*_TIER)) is not None:
        usage["service_tier"] = tier
    return usage, msgspec.json.encode(given).decode()


def _inside(reader: Reader) -> dict[str, Any]:
    inputs = {
        "cached_tokens": reader.value(*_CACHE_READ),
        "cache_write_tokens": reader.value(*_CACHE_WRITE),
        "audio_tokens": reader.value(*_AUDIO_IN),
    }
    outputs = {
        "reasoning_tokens": reader.value(*_REASONING),
        "audio_tokens": reader.value(*_AUDIO_OUT),
        "image_tokens": reader.value(*_IMAGE_OUT),
    }
    return _given(
        {
            "prompt_tokens": reader.value(*_INPUT),
            "completion_tokens": reader.value(*_OUTPUT),
            "total_tokens": reader.value(*_TOTAL),
            "prompt_tokens_details": _given(inputs) or None,
            "completion_tokens_details": _given(outputs) or None,
        }
    )


def _beside(reader: Reader) -> dict[str, Any] | None:
    """Anthropic's own counts, where the total is the sum of all four and not of input and output."""
    counts = [reader.value(*names) for names in (_INPUT, _CACHE_READ, _CACHE_WRITE, _OUTPUT)]
    total = reader.value(*_TOTAL)
    given, read, written, out = (0 if count is None else count for count in counts)
    if not all(type(count) is int and count >= 0 for count in (given, read, written, out, total)):
        return None
    if not read + written or total != given + read + written + out:
        return None
    return {
        "input_tokens": given,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "output_tokens": out,
        "total_tokens": total,
    }


def _given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
