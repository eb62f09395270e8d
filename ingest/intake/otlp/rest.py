"""What a span says that no column holds: kept as tags, within bounds."""

from typing import Any

from ingest.intake.otlp.reading import Reader, as_json
from ingest.intake.otlp.spans import Span
from ingest.providers.response_id import LONGEST_ID, RESPONSE_ID_TAG, response_id_of

DROPPED_TAG = "lqo.dropped_attributes"
MOST_TAGS = 64
LONGEST_NAME = 200
LONGEST_VALUE = 1000
_RESOURCE = ("service.name", "service.version", "service.namespace", "telemetry.sdk.language")


def rest_of(span: Span, reader: Reader, *, response: Any) -> dict[str, Any]:
    """Up to 64 attributes nobody read, values of at most 1,000 characters; a count says what is missing.

    `lqo.response_id`, the provider's id of its answer, tells the same call seen twice.
    """
    response_id = reader.text("gen_ai.response.id")
    if response_id is None and isinstance(response, str):
        response_id = response_id_of(response.encode("utf-8", "surrogatepass"))
    tags: dict[str, Any] = {
        "otel.span_name": span.name[:LONGEST_VALUE],
        "otel.scope": span.scope[:LONGEST_VALUE],
    }
    if span.parent_span_id:
        tags["otel.parent_span_id"] = span.parent_span_id[:LONGEST_NAME]
    if response_id is not None:
        tags[RESPONSE_ID_TAG] = response_id[:LONGEST_ID]
    tags |= {name: value for name in _RESOURCE if (value := span.resource.get(name)) not in (None, "")}
    rest = reader.rest()
    dropped = 0
    for name, value in rest.items():
        if value is None or _is_vector(value):
            continue
        if len(tags) >= MOST_TAGS or len(name) > LONGEST_NAME:
            dropped += 1
            continue
        tags[name] = bounded(value)
    return {**tags, DROPPED_TAG: dropped} if dropped else tags


def bounded(value: Any) -> Any:
    """A number as it is, anything else as text of at most 1,000 characters."""
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else str(value)[:LONGEST_VALUE]
    text = as_json(value)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE]


def _is_vector(value: Any) -> bool:
    """An embedding: hundreds of numbers that nobody reads in a tag."""
    return (
        isinstance(value, list) and len(value) > 16 and all(isinstance(each, int | float) for each in value)
    )
