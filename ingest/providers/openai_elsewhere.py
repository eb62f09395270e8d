"""Usage that compatible servers say elsewhere than in the `usage` of a chunk.

Groq: `x_groq.usage` of the last chunk (console.groq.com/docs/api-reference). Moonshot: in the last chunk's
choice (platform.moonshot.ai/docs, streaming).
"""

from typing import Any

from ingest.providers.lenient import raw_member, read_json
from ingest.providers.members import array_items
from ingest.providers.values import object_of, objects


def usage_elsewhere(data: bytes, chunk: dict[str, Any]) -> str | None:
    """The usage object of a chunk or document as it stands in `data`, where it has none of its own."""
    # Most chunks of a stream say `"usage":null`: they must not be read twice.
    if "x_groq" not in chunk and not any("usage" in choice for choice in objects(chunk.get("choices"))):
        return None
    places = [raw_member(data, "x_groq"), *array_items(raw_member(data, "choices") or "")]
    found = (raw_member(place.encode(), "usage") for place in places if place is not None)
    return next((raw for raw in found if raw is not None and object_of(read_json(raw.encode()))), None)
