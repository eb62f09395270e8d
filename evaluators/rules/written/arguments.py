"""Arguments of building blocks, by the names that M-IFEval gives them."""

from typing import Annotated, Any, TypeVar

import msgspec

from evaluators.rules.written.looks import RefusedError

# A list of keywords is a pattern in the end; its size is bounded by these.
MOST_KEYWORDS = 200

Count = Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]
Phrase = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
Keyword = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Letter = Annotated[str, msgspec.Meta(min_length=1, max_length=1)]

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every set of arguments is."""


class Nothing(Arguments, frozen=True):
    """No arguments."""


def read_arguments(raw: object, shape: type[_Struct]) -> _Struct:
    """The arguments of a block. Raises RefusedError that names the argument."""
    try:
        return msgspec.convert(raw, shape)
    except msgspec.ValidationError as error:
        field, reason = split_error(error, under="arguments")
        raise RefusedError(field, reason) from None


def split_error(error: msgspec.ValidationError, *, under: str = "") -> tuple[str, str]:
    """msgspec's message as the path of the field (`scope.models[0]`) and what is wrong with it."""
    said, _, place = str(error).partition(" - at `$")
    path = place.rstrip("`").lstrip(".").replace("[...]", "[]")
    for quoted in ("unknown field `", "required field `"):
        if quoted in said:
            name = said.partition(quoted)[2].rstrip("`")
            path = f"{path}.{name}" if path else name
            said = "there is no such field" if quoted.startswith("unknown") else "is missing"
    said = said.removeprefix("Object contains ").replace("`", "").replace("Expected", "expected")
    return ".".join(part for part in (under, path) if part), said


def plain(value: Any) -> Any:
    """A value as JSON knows it, for messages and storage."""
    return msgspec.to_builtins(value)
