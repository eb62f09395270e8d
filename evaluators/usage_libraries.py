"""Readers of the usage objects that client libraries make of a provider's own: LangChain's, the AI SDK's.

Their field names look like a provider's and mean something else: read as OpenAI's or Bedrock's, cached
tokens would cost as much as fresh ones.
"""

from typing import Final

from evaluators.usage_fields import (
    Counts,
    Usage,
    UsageError,
    agreed,
    check_total,
    count,
    optional,
    part,
    refuse,
    refuse_cached,
    required,
)

_LANGCHAIN: Final = frozenset({"cache_read", "cache_creation", "audio", "image", "reasoning"})
_WRITES: Final = frozenset({"ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"})
_AS_TEXT: Final = frozenset({"text", "video", "document"})
_AI_SDK: Final = ("inputTokenDetails", "outputTokenDetails", "cachedInputTokens", "reasoningTokens")


def is_langchain(usage: Usage) -> bool:
    """Whether an object with `input_tokens` is LangChain's UsageMetadata: its details have own names."""
    details = (usage.get("input_token_details"), usage.get("output_token_details"))
    return any(isinstance(each, dict) and not _LANGCHAIN.isdisjoint(each) for each in details)


def is_ai_sdk(usage: Usage) -> bool:
    """Whether an object with `inputTokens` is the AI SDK's and not Bedrock's."""
    return any(name in usage for name in _AI_SDK)


def langchain(usage: Usage, _provider: str, _endpoint: str) -> Counts:
    """LangChain's UsageMetadata: input_tokens and output_tokens are sums of all kinds, for Anthropic's, too.

    `cache_creation` is 0 or repeats the sum where the writes are split into five minutes and one hour.
    OpenAI's tiers stand in names of details (`priority`, `flex_cache_read`): nobody else says these tiers.
    Source: reference.langchain.com (langchain-core, messages/ai/UsageMetadata).
    """
    given, out = required(usage, "input_tokens"), required(usage, "output_tokens")
    parts, output_parts = part(usage, "input_token_details"), part(usage, "output_token_details")
    check_total(optional(usage, "total_tokens"), given + out, "input_tokens + output_tokens")
    for details in (parts, output_parts):
        for name in details:
            if name not in _LANGCHAIN | _WRITES | _AS_TEXT:
                refuse(details, name)
    cached, written = count(parts, "cache_read"), count(parts, "cache_creation")
    five, hour = count(parts, "ephemeral_5m_input_tokens"), count(parts, "ephemeral_1h_input_tokens")
    if not five + hour:
        five = written
    elif written and written != five + hour:
        raise UsageError("inconsistent_usage", "cache_creation is not the sum of its parts")
    audio, image = count(parts, "audio"), count(parts, "image")
    refuse_cached("audio", audio, cached, parts)
    image = 0 if cached else image
    reasoning, output_audio = count(output_parts, "reasoning"), count(output_parts, "audio")
    output_image = count(output_parts, "image")
    fresh = given - cached - five - hour - audio - image
    text = out - reasoning - output_audio - output_image
    return (fresh, cached, five, hour, audio, image, text, reasoning, output_audio, output_image)


def ai_sdk(usage: Usage, _provider: str, _endpoint: str) -> Counts:
    """The AI SDK's LanguageModelUsage: with details, inputTokens and outputTokens are sums of theirs.

    Without details (before version 6) cachedInputTokens stand inside inputTokens for OpenAI's models and
    beside them for Anthropic's, and nothing in the object says which; of reasoning the total tells it.
    Source: ai-sdk.dev/docs/reference/ai-sdk-core/generate-text (usage).
    """
    given, out = required(usage, "inputTokens"), required(usage, "outputTokens")
    parts, output_parts = part(usage, "inputTokenDetails"), part(usage, "outputTokenDetails")
    if not parts and count(usage, "cachedInputTokens"):
        raise UsageError("unsupported_usage", "cachedInputTokens: inside inputTokens or beside them?")
    cached = agreed(count(parts, "cacheReadTokens"), usage, ("cachedInputTokens",))
    written = count(parts, "cacheWriteTokens")
    fresh = given - cached - written
    check_total(optional(parts, "noCacheTokens"), fresh, "inputTokens less what was cached")
    reasoning = agreed(count(output_parts, "reasoningTokens"), usage, ("reasoningTokens",))
    total = optional(usage, "totalTokens")
    is_beside = bool(reasoning) and total is not None and total == given + out + reasoning
    if not is_beside:
        check_total(total, given + out, "inputTokens + outputTokens")
    text = out if is_beside else out - reasoning
    check_total(optional(output_parts, "textTokens"), text, "outputTokens without reasoning")
    return (fresh, cached, written, 0, 0, 0, text, reasoning, 0, 0)
