"""A rule as a person writes it, checked field by field."""

from typing import Annotated, Any, Literal

import msgspec

from evaluators.rules.base import Severity
from evaluators.rules.written.arguments import Keyword, split_error
from evaluators.rules.written.looks import RefusedError
from evaluators.rules.written.scope import Scope

TextField = Literal["output", "input", "system"]
Unit = Literal["characters", "words", "sentences", "paragraphs", "lines"]
KINDS = ("regex", "expression", "json_schema", "length", "latency", "instruction")

# What decides between rules of one call where no priority is given.
PRIORITIES: dict[str, int] = {"critical": 300, "warning": 200, "info": 100}

Expression = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
Bound = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Milliseconds = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Regex(_Part, frozen=True):
    """A pattern (RE2), where it is looked for, and whether finding or missing it fails the call."""

    pattern: str
    field: TextField = "output"
    fails_if: Literal["found", "missing"] = "found"


class Length(_Part, frozen=True):
    """The least and the most a text may have of a unit."""

    field: TextField = "output"
    unit: Unit = "characters"
    min: Bound | None = None
    max: Bound | None = None


class Latency(_Part, frozen=True):
    """The longest a call, and a stream's first token, may take."""

    max_ms: Milliseconds | None = None
    max_ttft_ms: Milliseconds | None = None


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One rule. Exactly one of the kinds says what fails a call; `when` (an expression) and `scope` say which
    calls it is for. `arguments` belong to `instruction`."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,59}\Z")]
    version: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,4}(?:\.[0-9]{1,4}){2}\Z")] = "1.0.0"
    description: Annotated[str, msgspec.Meta(max_length=500)] = ""
    severity: Severity = "warning"
    priority: Annotated[int, msgspec.Meta(ge=0, le=1_000)] | None = None
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=60)] | None = None
    enabled: bool = True
    draft: bool = False
    scope: Scope = Scope()
    when: Expression | None = None
    regex: Regex | None = None
    expression: Expression | None = None
    json_schema: dict[str, Any] | None = None
    length: Length | None = None
    latency: Latency | None = None
    instruction: Keyword | None = None
    arguments: dict[str, Any] | None = None

    @property
    def kind(self) -> str:
        """The one kind of check it has."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def shown_label(self) -> str:
        return self.label or self.id

    @property
    def effective_priority(self) -> int:
        return PRIORITIES[self.severity] if self.priority is None else self.priority


def read_definition(raw: object) -> Definition:
    """A rule out of YAML or JSON values. Raises RefusedError that names the field."""
    if not isinstance(raw, dict):
        raise RefusedError("", "a rule is a mapping of fields")
    try:
        definition = msgspec.convert(raw, Definition)
    except msgspec.ValidationError as error:
        field, reason = split_error(error)
        raise RefusedError(field, reason) from None
    _check_kinds(definition)
    return definition


def definition_text(definition: Definition) -> str:
    """The rule as one JSON text, the same for the same rule; whether it is switched on is no part of it."""
    kept = msgspec.structs.replace(definition, enabled=True, draft=False)
    return msgspec.json.encode(kept, order="sorted").decode()


def _check_kinds(definition: Definition) -> None:
    given = [kind for kind in KINDS if getattr(definition, kind) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise RefusedError("", f"a rule has exactly one of {', '.join(KINDS)}; this one has {found}")
    if definition.arguments is not None and definition.instruction is None:
        raise RefusedError("arguments", "only an instruction has arguments")
    length, latency = definition.length, definition.latency
    if length is not None:
        if length.min is None and length.max is None:
            raise RefusedError("length", "give min, max or both")
        if length.min is not None and length.max is not None and length.min > length.max:
            raise RefusedError("length.min", f"{length.min} is more than the max of {length.max}")
    if latency is not None and latency.max_ms is None and latency.max_ttft_ms is None:
        raise RefusedError("latency", "give max_ms, max_ttft_ms or both")
