"""How the form of a judge's answer is asked for, and the step down where an endpoint knows no schema.

A schema in the request (`json_schema`) binds the decoder of most endpoints; some know only `json_object`,
some nothing. The prompt tells the form in words each time and the parser is equally strict with all three, so
a step down costs verdicts outside the protocol, never wrong ones.
"""

from collections.abc import Mapping
from typing import Any, Final

from evaluators.judging.judge import Output

STEPS: Final = ("json_schema", "json_object", "text")

_REFUSING = frozenset({400, 404, 415, 422, 500, 501})
_WORDS = ("response_format", "json_schema", "json_object", "structured output", "guided", "grammar")


def first_step(output: Output) -> str:
    """The form that is asked for first."""
    return STEPS[0] if output == "auto" else output


def response_format(step: str, *, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The member `response_format` of a request, empty for `text`."""
    if step == "json_schema":
        named = {"name": name, "strict": True, "schema": schema}
        return {"response_format": {"type": step, "json_schema": named}}
    # Not among the steps: others than llama.cpp's server refuse a member that they do not know.
    if step == "json_object_schema":
        return {"response_format": {"type": "json_object", "schema": schema}}
    return {} if step == "text" else {"response_format": {"type": step}}


def next_step(step: str, *, status: int | None, body: bytes) -> str | None:
    """The next weaker form where the answer refuses this one by name, else None."""
    if status not in _REFUSING or step == STEPS[-1]:
        return None
    said = body[:4_000].decode("utf-8", "replace").lower()
    return STEPS[STEPS.index(step) + 1] if any(word in said for word in _WORDS) else None
