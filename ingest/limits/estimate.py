"""What a call may use, told from its request before it is sent."""

from dataclasses import dataclass
from typing import Any

import msgspec

from evaluators.usage import Unbucketed, count_tokens
from ingest.providers.base import Prepared

BYTES_PER_TOKEN = 3
"""English runs at 4 bytes a token, Korean and Chinese at about 3; the JSON around the text adds to it."""
OUTPUT_UNLIMITED = 16_384
"""Reserved for a call that names no limit: what most models write at most. Past it a budget overshoots."""
OUTPUT_EXPECTED = 1_000
"""The same for rate limits, which are corrected afterwards and need not be sure."""
_LONG = 4_096
_TOKENS_OF_MEDIUM = 1_500
"""An image of 1 to 2 megapixels at OpenAI, Anthropic and Gemini."""
_MOST_TOKENS = 10**9


class _Shape(msgspec.Struct):
    """The members that multiply an answer or its price."""

    n: Any = None
    best_of: Any = None
    service_tier: Any = None
    generation_config: Any = msgspec.field(default=None, name="generationConfig")


_decoder = msgspec.json.Decoder(_Shape)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens a call may use. `input_tokens` counts every byte of the request, `likely_tokens` (in and out)
    counts media by the piece. `output_tokens` covers all answers asked for. `service_tier` is the one asked
    for."""

    input_tokens: int
    output_tokens: int
    likely_tokens: int
    service_tier: str | None = None


def estimate(prepared: Prepared) -> Estimate:
    """Read the request's size and limits; one that cannot be read counts by its bytes."""
    shape = _shape_of(prepared.body)
    n_answers = max(_count(shape.n), _count(shape.best_of), _candidates(shape.generation_config))
    body, limit = prepared.body, prepared.output_limit
    writes = 0 if "embed" in prepared.path else 1
    most = OUTPUT_UNLIMITED if limit is None else limit
    likely = OUTPUT_EXPECTED if limit is None else limit
    return Estimate(
        input_tokens=_tokens(len(body)),
        output_tokens=writes * n_answers * most,
        likely_tokens=_likely_input(body) + writes * n_answers * likely,
        service_tier=shape.service_tier if isinstance(shape.service_tier, str) else None,
    )


def tokens_used(usage: dict[str, Any] | None, *, provider: str, path: str) -> int | None:
    """All tokens in a usage object; None where it says nothing that can be true (negative, NaN, words)."""
    if usage is None:
        return None
    counts = count_tokens(usage, provider=provider, endpoint=path)
    total = usage.get("total_tokens") if isinstance(counts, Unbucketed) else sum(counts)
    return total if type(total) is int and 0 <= total <= _MOST_TOKENS else None


def _likely_input(body: bytes) -> int:
    """Tokens of the text, and a fixed number for each string that looks like an image or a file."""
    if len(body) < _LONG:
        return _tokens(len(body))
    media = [text for text in body.split(b'"') if len(text) >= _LONG and _is_encoded(text)]
    return _tokens(len(body) - sum(map(len, media))) + _TOKENS_OF_MEDIUM * len(media)


def _is_encoded(text: bytes) -> bool:
    """Base64 is thousands of ASCII characters without one space or escape; no text of that length is."""
    return text.isascii() and b" " not in text[:_LONG] and b"\\" not in text[:_LONG]


def _shape_of(body: bytes) -> _Shape:
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _Shape()


def _candidates(config: Any) -> int:
    return _count(config.get("candidateCount")) if isinstance(config, dict) else 1


def _count(value: Any) -> int:
    return value if type(value) is int and value > 0 else 1


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)
