"""Answers as their providers stream them, made from the documents that they send to a plain request."""

import json
from collections.abc import Iterator
from typing import Any


def event(data: Any, *, name: str | None = None) -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def chat_frames(document: dict[str, Any], *, with_usage: bool) -> list[bytes]:
    """OpenAI's chunks: the deltas of each choice, its reason, then the usage on its own, then `[DONE]`."""
    head = {name: document[name] for name in ("id", "created", "model", "service_tier") if name in document}
    head["object"] = "chat.completion.chunk"
    frames: list[bytes] = []
    for choice in document["choices"]:
        for delta in _chat_deltas(choice["message"]):
            said = {"index": choice["index"], "delta": delta, "finish_reason": None}
            frames.append(event({**head, "choices": [said], "usage": None}))
        said = {"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]}
        frames.append(event({**head, "choices": [said], "usage": None}))
    if with_usage:
        frames.append(event({**head, "choices": [], "usage": document.get("usage")}))
    return [*frames, b"data: [DONE]\n\n"]


def _chat_deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    content = message.get("content")
    for piece in pieces(content) if isinstance(content, str) else []:
        yield {"content": piece}
    if isinstance(content, list):
        yield {"content": content}
    for index, call in enumerate(message.get("tool_calls") or []):
        function = call.get("function") or {}
        start = {"index": index, "id": call.get("id"), "type": "function"}
        yield {"tool_calls": [{**start, "function": {"name": function.get("name"), "arguments": ""}}]}
        for piece in pieces(function.get("arguments") or ""):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def response_frames(response: dict[str, Any]) -> list[bytes]:
    """The events of `/v1/responses`; the last one repeats the whole response."""
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
    for index, item in enumerate(response["output"]):
        events.append({"type": "response.output_item.added", "output_index": index, "item": item})
        for part_index, part in enumerate(item.get("content") or []):
            where = {"output_index": index, "content_index": part_index, "item_id": item.get("id")}
            for piece in pieces(part.get("text") or ""):
                events.append({"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []})
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    status = response.get("status")
    last = f"response.{status if status in ('failed', 'incomplete') else 'completed'}"
    events.append({"type": last, "response": response})
    numbered = ({**said, "sequence_number": number} for number, said in enumerate(events))
    return [event(said, name=str(said["type"])) for said in numbered]


def message_frames(message: dict[str, Any]) -> list[bytes]:
    """Anthropic's events: input tokens in the first, output tokens in the last `message_delta`."""
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        events += _block_events(index, block)
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": message.get("stop_sequence")}
    for so_far in (usage["output_tokens"] // 2, usage["output_tokens"]):
        events.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": so_far}})
    events.append({"type": "message_stop"})
    return [event(said, name=said["type"]) for said in events]


def _block_events(index: int, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    start, deltas = block, list[dict[str, Any]]()
    if block["type"] == "text":
        start = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    elif block["type"] == "thinking":
        start = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif block["type"] in ("tool_use", "server_tool_use"):
        start = {**block, "input": {}}
        written = json.dumps(block["input"], ensure_ascii=False)
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(written)]
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def content_chunks(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Gemini's chunks: a part each; every one says the usage so far."""
    usage = document.get("usageMetadata")
    rest = {name: value for name, value in document.items() if name not in ("candidates", "usageMetadata")}
    candidates = document.get("candidates") or []
    chunks: list[dict[str, Any]] = []
    for candidate in candidates:
        content = candidate.get("content") or {}
        for part in content.get("parts") or []:
            said = {"index": candidate.get("index", 0), "content": {**content, "parts": [part]}}
            chunks.append({"candidates": [said], **rest, "usageMetadata": {"promptTokenCount": 1}})
        last = {name: value for name, value in candidate.items() if name != "content"}
        chunks.append({"candidates": [{"index": 0, **last}], **rest, "usageMetadata": usage})
    return chunks or [document]


def content_frames(document: dict[str, Any], *, is_array: bool) -> list[bytes]:
    """Gemini's stream: events with `alt=sse`, else one array that grows."""
    chunks = content_chunks(document)
    if not is_array:
        return [event(chunk).replace(b"\n\n", b"\r\n\r\n") for chunk in chunks]
    written = [json.dumps(chunk, indent=2, ensure_ascii=False).encode() for chunk in chunks]
    marks = [b"["] + [b",\r\n"] * (len(written) - 1)
    return [*(mark + chunk for mark, chunk in zip(marks, written, strict=True)), b"]"]


def pieces(text: str) -> list[str]:
    """A text in three parts or fewer."""
    size = max(1, -(-len(text) // 3))
    return [text[at : at + size] for at in range(0, len(text), size)]
