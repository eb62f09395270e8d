"""One reader per shape of usage object. Each returns counts in the order of `evaluators.usage.BUCKETS`.

Every reader checks the identity that its provider documents between the parts and the total, and raises
UsageError where it does not hold.
"""

from collections.abc import Callable, Mapping
from typing import Final

from evaluators.usage_fields import (
    Counts,
    Usage,
    UsageError,
    agreed,
    check_total,
    count,
    labelled,
    optional,
    part,
    refuse,
    refuse_cached,
    required,
)
from evaluators.usage_gemini import gemini
from evaluators.usage_libraries import ai_sdk, is_ai_sdk, is_langchain, langchain

Shape = Callable[[Usage, str, str], Counts]

CHAT_CACHED: Final = (
    "prompt_cache_hit_tokens",  # DeepSeek
    "cached_tokens",  # Together, Moonshot, Anthropic's OpenAI-compatible endpoint
    "cache_read_input_tokens",  # Databricks, LiteLLM
    "cached_prompt_text_tokens",  # xAI
)
ANTHROPIC_ONLY: Final = (
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "cache_creation",
    "iterations",
)


def find_shape(usage: Usage, endpoint: str) -> Shape:
    """The reader for this object, by its field names."""
    if "input_tokens" in usage and any(field in usage for field in ANTHROPIC_ONLY):
        return anthropic
    if "input_tokens" in usage and is_langchain(usage):
        return langchain
    if "inputTokens" in usage and is_ai_sdk(usage):
        return ai_sdk
    for field, shape in SHAPES:
        if field in usage:
            return shape
    if "total_tokens" in usage and "embed" in endpoint:
        return only_total
    if usage.get("type") == "duration":
        raise UsageError("unsupported_usage", "billed by the second and not by tokens")
    raise UsageError("unknown_shape", f"fields: {', '.join(sorted(map(str, usage)))[:200]}")


def chat(usage: Usage, provider: str, endpoint: str) -> Counts:
    """OpenAI chat and embeddings, and everything compatible (Groq, Mistral, vLLM, DeepSeek, OpenRouter …).

    prompt_tokens includes cached, written, audio and image tokens; completion_tokens includes audio, images
    and reasoning, except at xAI, where total = prompt + completion + reasoning: the total tells which it is.
    Mistral's num_cached_tokens is its server's counter (9 of 10 tokens of a first call); what it bills as
    cached stands in prompt_tokens_details. LiteLLM splits Anthropic's writes into five minutes and one hour.
    Servers that speak both dialects count once in `input_tokens`, `output_tokens`, too.
    Sources: platform.openai.com/docs/api-reference/chat/object, api-docs.deepseek.com (prompt_tokens = hit +
    miss), openrouter.ai/docs (usage accounting), docs.x.ai (consumption and rate limits), docs.litellm.ai.
    """
    prompt = required(usage, "prompt_tokens")
    parts = part(usage, "prompt_tokens_details")
    output_parts = part(usage, "completion_tokens_details")
    total = optional(usage, "total_tokens")
    completion = _completion(usage, prompt, total, endpoint)
    cached = agreed(count(parts, "cached_tokens"), usage, CHAT_CACHED)
    written = agreed(count(parts, "cache_write_tokens"), parts, ("cache_creation_tokens",))
    written = agreed(written, usage, ("cache_creation_input_tokens",))
    hour = _for_an_hour(part(parts, "cache_creation_token_details"), written)
    if "prompt_cache_miss_tokens" in usage and cached + count(usage, "prompt_cache_miss_tokens") != prompt:
        raise UsageError("inconsistent_usage", "cache hit + cache miss != prompt_tokens")
    audio = count(parts, "audio_tokens")
    _check_text(parts, prompt)
    _check_text(output_parts, completion)
    refuse_cached("audio", audio, cached, parts)
    refuse(output_parts, "video_tokens")
    refuse(usage, "citation_tokens")
    if usage.get("prompt_audio_seconds"):
        raise UsageError("unsupported_usage", "audio billed by the second")
    reasoning = agreed(count(output_parts, "reasoning_tokens"), usage, ("reasoning_tokens",))
    output_audio, output_image = count(output_parts, "audio_tokens"), count(output_parts, "image_tokens")
    image = _fresh_images(count(parts, "image_tokens"), cached, parts)
    beside = _is_reasoning_beside(prompt, completion, reasoning, total, provider)
    _check_other_dialect(usage, prompt, cached + written, completion + reasoning if beside else completion)
    text = completion - output_audio - output_image - (0 if beside else reasoning)
    fresh = prompt - cached - written - audio - image
    return (fresh, cached, written - hour, hour, audio, image, text, reasoning, output_audio, output_image)


def responses(usage: Usage, _provider: str, endpoint: str) -> Counts:
    """OpenAI responses, realtime, audio and images; also a bare `input_tokens`, `output_tokens`.

    input_tokens includes cached, written, audio and image tokens; output_tokens includes reasoning, audio and
    images; total = input + output. What speech puts out is audio and what the images API does are images,
    though no field says so. Cached images have a price of their own.
    Source: platform.openai.com/docs/api-reference/responses/object (audio/createSpeech, images/object).
    """
    given, out = required(usage, "input_tokens"), required(usage, "output_tokens")
    parts = part(usage, "input_tokens_details") or part(usage, "input_token_details")
    output_parts = part(usage, "output_tokens_details") or part(usage, "output_token_details")
    check_total(optional(usage, "total_tokens"), given + out, "input_tokens + output_tokens")
    cached = agreed(count(parts, "cached_tokens"), parts, ("cache_read_input_tokens",))
    written = agreed(count(parts, "cache_write_tokens"), parts, ("cache_creation_input_tokens",))
    audio, image = count(parts, "audio_tokens"), count(parts, "image_tokens")
    output_audio = out if "/audio/speech" in endpoint else count(output_parts, "audio_tokens")
    output_image = count(output_parts, "image_tokens")
    _check_text(parts, given)
    _check_text(output_parts, out)
    refuse_cached("audio", audio, cached, parts)
    refuse_cached("image", image, cached, parts)
    reasoning = count(output_parts, "reasoning_tokens")
    if "/images" in endpoint:
        _check_parts(parts, given, "input_tokens")
        _check_parts(output_parts, out, "output_tokens")
        if output_parts.get("image_tokens") is None:
            output_image = out - count(output_parts, "text_tokens") - reasoning
    text = out - output_audio - output_image - reasoning
    fresh = given - cached - written - audio - image
    return (fresh, cached, written, 0, audio, image, text, reasoning, output_audio, output_image)


def anthropic(usage: Usage, _provider: str, _endpoint: str) -> Counts:
    """Anthropic messages: input_tokens excludes cache reads and cache writes; output includes thinking.

    cache_creation splits the writes into five minutes and one hour. Where `iterations` is present, a
    compaction is billed though the top level leaves it out; an advisor runs on a model of its own price.
    Source: docs.anthropic.com (prompt caching; compaction: "sum across all entries in usage.iterations").
    """
    counts = _anthropic_once(usage)
    iterations = usage.get("iterations")
    if not iterations:
        total = optional(usage, "total_tokens")
        check_total(total, sum(counts), "input, cache and output")
        return counts
    if not isinstance(iterations, list) or not all(isinstance(step, Mapping) for step in iterations):
        raise UsageError("malformed_usage", "iterations is not a list of objects")
    kinds = {str(step.get("type")) for step in iterations}
    if kinds - {"message", "compaction"}:
        raise UsageError("unsupported_usage", f"iterations of {', '.join(sorted(kinds - {'message'}))}")
    messages = [_anthropic_once(step) for step in iterations if step.get("type") == "message"]
    seen = [sum(column) for column in zip(*messages, strict=True)]
    if messages and (seen[:6] != list(counts[:6]) or sum(seen[6:]) != sum(counts[6:])):
        raise UsageError("inconsistent_usage", "the message iterations do not add up to the top level")
    extra = [_anthropic_once(step) for step in iterations if step.get("type") == "compaction"]
    a, b, c, d, e, f, g, h, i, j = (sum(column) for column in zip(counts, *extra, strict=True))
    return (a, b, c, d, e, f, g, h, i, j)


def bedrock(usage: Usage, _provider: str, _endpoint: str) -> Counts:
    """Bedrock Converse: inputTokens excludes cache reads and writes; total = all four.

    Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html.
    """
    given, out = required(usage, "inputTokens"), required(usage, "outputTokens")
    read = agreed(count(usage, "cacheReadInputTokens"), usage, ("cacheReadInputTokenCount",))
    written = agreed(count(usage, "cacheWriteInputTokens"), usage, ("cacheWriteInputTokenCount",))
    check_total(
        optional(usage, "totalTokens"), given + read + written + out, "input, cache and output tokens"
    )
    details = usage.get("cacheDetails")
    if not details:
        return (given, read, written, 0, 0, 0, out, 0, 0, 0)
    five = labelled(details, "cacheDetails", "ttl", "5m", "inputTokens")
    hour = labelled(details, "cacheDetails", "ttl", "1h", "inputTokens")
    if five + hour != written:
        raise UsageError("inconsistent_usage", "cacheDetails does not add up to cacheWriteInputTokens")
    return (given, read, five, hour, 0, 0, out, 0, 0, 0)


def cohere(usage: Usage, _provider: str, _endpoint: str) -> Counts:
    """Cohere bills `billed_units`; `tokens` and `cached_tokens` also count its own prompt template.

    Source: docs.cohere.com/docs/how-does-cohere-pricing-work.
    """
    units = part(usage, "billed_units")
    for other in ("image_tokens", "images", "search_units", "classifications"):
        refuse(units, other)
    return (required(units, "input_tokens"), 0, 0, 0, 0, 0, count(units, "output_tokens"), 0, 0, 0)


def ollama(usage: Usage, _provider: str, _endpoint: str) -> Counts:
    """Ollama's native API. Source: github.com/ollama/ollama/blob/main/docs/api.md."""
    return (required(usage, "prompt_eval_count"), 0, 0, 0, 0, 0, required(usage, "eval_count"), 0, 0, 0)


def titan(usage: Usage, _provider: str, _endpoint: str) -> Counts:
    """Amazon Titan embeddings, which report their input alone."""
    return (required(usage, "inputTextTokenCount"), 0, 0, 0, 0, 0, 0, 0, 0, 0)


def only_total(usage: Usage, _provider: str, _endpoint: str) -> Counts:
    """Embeddings of Voyage and others, which report a total alone: all of it is input."""
    return (required(usage, "total_tokens"), 0, 0, 0, 0, 0, 0, 0, 0, 0)


def _completion(usage: Usage, prompt: int, total: int | None, endpoint: str) -> int:
    """completion_tokens; embeddings have none."""
    if usage.get("completion_tokens") is None and total != prompt and "embed" not in endpoint:
        raise UsageError("malformed_usage", "completion_tokens is missing")
    return count(usage, "completion_tokens")


def _is_reasoning_beside(
    prompt: int, completion: int, reasoning: int, total: int | None, provider: str
) -> bool:
    """Whether reasoning stands beside completion_tokens rather than inside it."""
    if total is None:
        return reasoning > 0 and provider.lower() in ("xai", "x-ai", "grok")
    if total == prompt + completion:
        return False
    if reasoning and total == prompt + completion + reasoning:
        return True
    raise UsageError(
        "inconsistent_usage",
        f"the total is {total}, but prompt_tokens + completion_tokens = {prompt + completion}",
    )


def _for_an_hour(split: Usage, written: int) -> int:
    """Of the cache writes those for an hour, where LiteLLM says so."""
    if not split:
        return 0
    five, hour = count(split, "ephemeral_5m_input_tokens"), count(split, "ephemeral_1h_input_tokens")
    if five + hour != written:
        raise UsageError("inconsistent_usage", "cache_creation_token_details is not what was written")
    return hour


def _check_other_dialect(usage: Usage, prompt: int, cached: int, out: int) -> None:
    """`input_tokens` and `output_tokens` beside prompt and completion count the same, cached or not."""
    given, answered = optional(usage, "input_tokens"), optional(usage, "output_tokens")
    if given is not None and given != prompt and given + cached != prompt:
        raise UsageError("inconsistent_usage", f"input_tokens is {given}, but prompt_tokens {prompt}")
    if answered is not None and answered != out:
        raise UsageError("inconsistent_usage", f"output_tokens is {answered}, but completion_tokens {out}")


def _fresh_images(image: int, cached: int, parts: Usage) -> int:
    """Image tokens that came from no cache; none where nobody says which are both: they are other input."""
    if not image or not cached:
        return image
    split = part(parts, "cached_tokens_details")
    return image - count(split, "image_tokens") if split else 0


def _check_text(parts: Usage, total: int) -> None:
    """Text is a part of what was read or written, where it is counted."""
    if "text_tokens" in parts and (text := count(parts, "text_tokens")) > total:
        raise UsageError("inconsistent_usage", f"text_tokens is {text}, of {total} in all")


def _check_parts(parts: Usage, total: int, of: str) -> None:
    """Text and images are all there is in the images API."""
    if parts.get("text_tokens") is not None and parts.get("image_tokens") is not None:
        check_total(total, count(parts, "text_tokens") + count(parts, "image_tokens"), f"the parts of {of}")


def _anthropic_once(usage: Usage) -> Counts:
    given, out = required(usage, "input_tokens"), required(usage, "output_tokens")
    read, written = count(usage, "cache_read_input_tokens"), optional(usage, "cache_creation_input_tokens")
    split = part(usage, "cache_creation")
    five, hour = count(split, "ephemeral_5m_input_tokens"), count(split, "ephemeral_1h_input_tokens")
    if not split:
        five = written or 0
    elif written is not None and five + hour != written:
        raise UsageError("inconsistent_usage", f"cache_creation adds up to {five + hour}, not {written}")
    thinking = count(part(usage, "output_tokens_details"), "thinking_tokens")
    return (given, read, five, hour, 0, 0, out - thinking, thinking, 0, 0)


SHAPES: Final[tuple[tuple[str, Shape], ...]] = (
    ("prompt_tokens", chat),
    ("input_tokens", responses),
    ("promptTokenCount", gemini),
    ("inputTokens", bedrock),
    ("billed_units", cohere),
    ("prompt_eval_count", ollama),
    ("inputTextTokenCount", titan),
    ("candidatesTokenCount", gemini),
    ("totalTokenCount", gemini),
)
