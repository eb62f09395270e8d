"""OpenAI's stored completions: what `GET /v1/chat/completions` lists, and `GET /v1/responses/{id}` gives.

https://platform.openai.com/docs/api-reference/chat/list (also chat/getMessages, responses/get). A stored
completion does not say what was asked: put the list of its messages beside it (`messages`), or that of a
response's items (`input`), oldest first.
"""

from datetime import datetime
from typing import Any

import msgspec

from ingest.importers.canonical import to_call
from ingest.importers.formats.base import Said, Within
from ingest.importers.formats.values import encoded_json, mapping_of, tags_of
from ingest.importers.record import Parsed, Record
from ingest.landing.result import Problem
from ingest.providers.lenient import read_json

_ABSENT = msgspec.Raw()
_ENDPOINTS = {"chat.completion": "/v1/chat/completions", "response": "/v1/responses"}
_SETTINGS = (
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "tools", "tool_choice"),
    *("response_format", "instructions", "reasoning", "max_output_tokens", "text"),
)
"""Members of the stored object that were the request's."""
_ADDED = frozenset({"messages", "input"})
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_completion(line: bytes, within: Within) -> tuple[Said, ...]:
    """The call of one stored completion or response."""
    said = read_json(line)
    if said is None:
        return (Said(Problem("broken_json", "the line is no JSON")),)
    problem = _problem(said)
    if problem is not None:
        return (Said(problem),)
    record = _record(line, said)
    return (Said(to_call(Parsed(record, {}), line=line, earliest=within.earliest, latest=within.latest)),)


def _problem(said: Any) -> Problem | None:
    if not isinstance(said, dict):
        return Problem("bad_field", f"Expected `object`, got `{type(said).__name__}`")
    if str(said.get("object")) not in _ENDPOINTS:
        return Problem("bad_field", f"object is {str(said.get('object'))[:40]!r}")
    if not isinstance(said.get("id"), str) or not said["id"]:
        return Problem("missing_field", "id is missing")
    created = said.get("created", said.get("created_at"))
    if isinstance(created, bool) or not isinstance(created, int | float) or not 0 < created < 1e11:
        return Problem("missing_field", "created is missing, or no time in Unix seconds")
    return None


def _record(line: bytes, said: dict[str, Any]) -> Record:
    user = said.get("input_user") or said.get("user") or said.get("safety_identifier")
    own = {f"openai.{name}": said.get(name) for name in ("request_id", "system_fingerprint", "service_tier")}
    model = said.get("model")
    return Record(
        external_id=said["id"],
        started_at=msgspec.convert(said.get("created", said.get("created_at")), datetime, strict=False),
        endpoint=_ENDPOINTS[said["object"]],
        provider="openai",
        requested_model=model if isinstance(model, str) else None,
        user_id=user if isinstance(user, str) else None,
        tags=tags_of({**own, **mapping_of(said.get("metadata"))}),
        request=_request(said),
        response=msgspec.Raw(_response(line)),
    )


def _request(said: dict[str, Any]) -> msgspec.Raw:
    """The request as far as it is told: the model, the settings and the messages beside the completion."""
    name = "messages" if said["object"] == "chat.completion" else "input"
    asked = _listed(said.get(name, said.get("messages", said.get("input"))))
    if not asked:
        return _ABSENT
    settings = {each: said[each] for each in _SETTINGS if said.get(each) is not None}
    return msgspec.Raw(encoded_json({"model": said.get("model"), **settings, name: asked}))


def _listed(given: Any) -> Any:
    """Messages, as a list or a page of one; a message of several parts is its parts."""
    items = given.get("data") if isinstance(given, dict) else given
    if not isinstance(items, list):
        return items
    return [_message(each) if isinstance(each, dict) else each for each in items]


def _message(given: dict[str, Any]) -> dict[str, Any]:
    message = {name: value for name, value in given.items() if value is not None and name != "content_parts"}
    parts = given.get("content_parts")
    return {**message, "content": parts} if parts else message


def _response(line: bytes) -> bytes:
    """The object as OpenAI gave it: without what was put beside it."""
    try:
        members = _members.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return line
    if not _ADDED & members.keys():
        return line
    kept = (b'"%b":%b' % (name.encode(), raw) for name, raw in members.items() if name not in _ADDED)
    return b"{%b}" % b",".join(kept)
