"""The reader of Gemini's usageMetadata, which tells the modalities of every part."""

from evaluators.usage_fields import (
    Counts,
    Usage,
    UsageError,
    agreed,
    check_total,
    count,
    modality,
    optional,
    required,
)


def gemini(usage: Usage, _provider: str, _endpoint: str) -> Counts:
    """Gemini usageMetadata: promptTokenCount includes cached content; tool use and thoughts are extra.

    total = prompt + toolUsePrompt + candidates + thoughts; a zero is left out of the JSON, but without a
    total nothing tells a prompt that was left out from none. The Live API's response are its candidates.
    Sources: ai.google.dev/api/generate-content#UsageMetadata, ai.google.dev/api/live#UsageMetadata.
    """
    has_total = usage.get("totalTokenCount") is not None
    prompt = count(usage, "promptTokenCount") if has_total else required(usage, "promptTokenCount")
    tools, thoughts = count(usage, "toolUsePromptTokenCount"), count(usage, "thoughtsTokenCount")
    candidates = agreed(count(usage, "candidatesTokenCount"), usage, ("responseTokenCount",))
    cached = count(usage, "cachedContentTokenCount")
    check_total(
        optional(usage, "totalTokenCount"),
        prompt + tools + candidates + thoughts,
        "promptTokenCount + toolUsePromptTokenCount + candidatesTokenCount + thoughtsTokenCount",
    )
    spoken, image = _put_in(usage, "AUDIO"), _put_in(usage, "IMAGE")
    if cached and spoken and modality(usage, "cacheTokensDetails", "AUDIO"):
        raise UsageError("unsupported_usage", "cached audio has a price of its own")
    if cached and spoken and "cacheTokensDetails" not in usage:
        raise UsageError("unsupported_usage", "cached and audio tokens may overlap")
    if _put_out(usage, "VIDEO"):
        raise UsageError("unsupported_usage", "output of modality VIDEO")
    output_audio, output_image = _put_out(usage, "AUDIO"), _put_out(usage, "IMAGE")
    if cached and image:
        image = _not_cached(usage, image)
    fresh = prompt + tools - cached - spoken - image
    if cached > prompt:
        raise UsageError("inconsistent_usage", "cachedContentTokenCount exceeds promptTokenCount")
    text = candidates - output_audio - output_image
    return (fresh, cached, 0, 0, spoken, image, text, thoughts, output_audio, output_image)


def _put_in(usage: Usage, kind: str) -> int:
    """Input tokens of one modality, cached ones too: of the prompt, as two APIs name it, and of tools."""
    given = modality(usage, "promptTokensDetails", kind) + modality(usage, "promptTokenDetails", kind)
    return given + modality(usage, "toolUsePromptTokensDetails", kind)


def _not_cached(usage: Usage, image: int) -> int:
    """Image tokens that came from no cache; none where nobody says which did: they are other input then."""
    split = usage.get("cacheTokensDetails")
    return image - modality(usage, "cacheTokensDetails", "IMAGE") if split else 0


def _put_out(usage: Usage, kind: str) -> int:
    """Output tokens of one modality: of candidates, or of the Live API's response."""
    return modality(usage, "candidatesTokensDetails", kind) + modality(usage, "responseTokensDetails", kind)
