"""Langfuse's token counts as a usage object that `evaluators.usage` reads.

`usage_details` is a map of counts under any names. Langfuse takes an OpenAI usage object apart, so that
`input` no longer holds what `input_cached_tokens` does (packages/shared, `OpenAIUsageSchema`); other writers
leave the details inside. The total tells which it is; it becomes OpenAI's object, whose details are inside.
"""

from typing import Any

_CACHE_READ = ("cached", "cache_read")
_CACHE_WRITE = ("cache_creation", "cache_write")
_ASKED, _ANSWERED = ("input", "prompt"), ("output", "completion")
_MOST = 10**12
"""No count of tokens; a sum of such has no place in a document of JSON."""


def usage_of(details: dict[str, Any]) -> dict[str, Any] | None:
    """OpenAI's usage object; None without counts, or where one cannot be read: unknown is not none used."""
    scalars = {name.lower(): value for name, value in details.items() if isinstance(value, int | float | str)}
    read = {name: _count(value) for name, value in scalars.items()}
    counts = {name: count for name, count in read.items() if count is not None}
    unread = dict.fromkeys(read.keys() - counts.keys(), 0)
    if any(abs(count) > _MOST for count in counts.values()) or _side(unread, *_ASKED, *_ANSWERED):
        return None
    total = counts.pop("total", None) or counts.pop("total_tokens", None)
    asked, answered = _side(counts, *_ASKED), _side(counts, *_ANSWERED)
    if not asked and not answered:
        return None if total is None else {"total_tokens": total}
    inputs, input_parts = _parts(asked, ("input", "input_tokens", "prompt_tokens"))
    outputs, output_parts = _parts(answered, ("output", "output_tokens", "completion_tokens"))
    is_inside = total == inputs + outputs
    if not is_inside:
        inputs, outputs = inputs + sum(input_parts.values()), outputs + sum(output_parts.values())
    usage: dict[str, Any] = {
        "prompt_tokens": inputs,
        "completion_tokens": outputs,
        "total_tokens": inputs + outputs if total is None else total,
    }
    if input_parts:
        usage["prompt_tokens_details"] = input_parts
    if output_parts:
        usage["completion_tokens_details"] = output_parts
    return usage


def _side(counts: dict[str, int], *words: str) -> dict[str, int]:
    return {name: count for name, count in counts.items() if any(word in name for word in words)}


def _parts(counts: dict[str, int], whole: tuple[str, ...]) -> tuple[int, dict[str, int]]:
    """The count that is named for its side, and its details by OpenAI's names; text details are no detail."""
    total, parts = 0, dict[str, int]()
    for name, count in counts.items():
        if name in whole:
            total += count
        elif count:
            kind = _kind(name)
            parts[kind] = parts.get(kind, 0) + count
    return total, parts


def _kind(name: str) -> str:
    if any(word in name for word in _CACHE_WRITE):
        return "cache_write_tokens"
    if any(word in name for word in _CACHE_READ):
        return "cached_tokens"
    return next((f"{word}_tokens" for word in ("reasoning", "audio", "image") if word in name), "text_tokens")


def _count(value: Any) -> int | None:
    """A count; ClickHouse may write 64-bit ones as text."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None
