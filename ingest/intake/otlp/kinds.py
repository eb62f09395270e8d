"""Which spans are calls of a model."""

from ingest.intake.otlp.reading import Reader

OURS = "lqo.call_id"
"""Spans that our own loader made of calls it has: taking them in again would be a circle."""

_OPERATIONS = {
    "chat": "chat",
    "text_completion": "text_completion",
    "completion": "text_completion",
    "embeddings": "embeddings",
    "embedding": "embeddings",
    "generate_content": "generate_content",
}
_KINDS = {"LLM": "chat", "EMBEDDING": "embeddings"}


def operation_of(reader: Reader) -> str | None:
    """chat, text_completion, embeddings or generate_content; None for a span that is no call of a model.

    OpenInference names the kind of every span, OpenTelemetry the operation, OpenLLMetry the type of a
    request; where only a provider and a model are named, it is a chat. Agents, tools, chains and
    retrievers are none.
    """
    if reader.value(OURS) is not None:
        return None
    if (kind := reader.text("openinference.span.kind")) is not None:
        return _KINDS.get(kind.upper())
    if (operation := reader.text("gen_ai.operation.name")) is not None:
        return _OPERATIONS.get(operation.lower())
    if (request := reader.text("llm.request.type")) is not None:
        return _OPERATIONS.get(request.lower())
    if reader.value("traceloop.span.kind", "gen_ai.tool.name", "gen_ai.agent.name") is not None:
        return None
    has_provider = reader.value("gen_ai.provider.name", "gen_ai.system") is not None
    return "chat" if has_provider and reader.value("gen_ai.request.model") is not None else None
