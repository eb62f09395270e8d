"""A YAML node against msgspec types: every error with its line, not only the first one."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import msgspec.structs

from orchestration.alerts.definition.problems import FileProblemsError, Problem
from orchestration.alerts.definition.yaml_text import Node, YamlError, read_node

T = TypeVar("T", bound=msgspec.Struct)

_WRONG_TYPE: Final = re.compile(r"Expected `(?P<wanted>[a-z]+)(?: \| null)?`, got `(?P<given>[a-z]+)`")
_OUT_OF_BOUNDS: Final = re.compile(r"Expected `(?P<wanted>int|float)` (?P<bound>[<>]=? .+)")
_TYPES: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping of names to values",
    "null": "nothing",
}


def read_struct(data: bytes, type_: type[T], *, source: str) -> T:
    """The document as `type_`; raises FileProblemsError with all faults. `source` is the file's name."""
    try:
        node = read_node(data)
    except YamlError as error:
        raise FileProblemsError([Problem(source, error.line, "", error.reason)]) from None
    if problems := [*find_problems(node, type_, source=source)]:
        raise FileProblemsError(problems)
    return msgspec.convert(node.plain, type_)


def find_problems(node: Node, type_: Any, *, source: str, field: str = "") -> Iterator[Problem]:
    """What keeps the node from being a `type_`, in the order of the fields."""
    all_parts = _parts(type_)
    if node == Node(node.line) and type(None) in all_parts:
        return
    parts = [part for part in all_parts if part is not type(None)]
    structs = [part for part in parts if isinstance(part, type) and issubclass(part, msgspec.Struct)]
    if structs:
        yield from _of_structs(node, structs, source=source, field=field)
    elif len(parts) == 1 and get_origin(parts[0]) is list and node.items is not None:
        (item_type,) = get_args(parts[0])
        for number, item in enumerate(node.items):
            yield from find_problems(item, item_type, source=source, field=f"{field}[{number}]")
    else:
        try:
            msgspec.convert(node.plain, type_)
        except msgspec.ValidationError as error:
            yield Problem(
                source, node.line, field, _reason(str(error).partition(" - at ")[0], type_, node.plain)
            )


def _of_structs(
    node: Node, structs: list[type[msgspec.Struct]], *, source: str, field: str
) -> Iterator[Problem]:
    if node.fields is None:
        yield Problem(source, node.line, field, "must be a mapping of names to values")
        return
    found = _tagged(node.fields, structs)
    if isinstance(found, str):
        line = node.fields["type"].line if "type" in node.fields else node.line
        yield Problem(source, line, f"{field}.type".lstrip("."), found)
        return
    hints = get_type_hints(found, include_extras=True)
    places = {one.encode_name: one for one in msgspec.structs.fields(found)}
    tag = found.__struct_config__.tag_field
    for name, value in node.fields.items():
        path = f"{field}.{name}".lstrip(".")
        if name in places:
            yield from find_problems(value, hints[places[name].name], source=source, field=path)
        elif name != tag:
            yield Problem(source, value.line, path, f"is unknown{_guess(name, list(places))}")
    for name, one in places.items():
        if one.required and name not in node.fields:
            yield Problem(source, node.line, f"{field}.{name}".lstrip("."), "is missing")


def _tagged(fields: dict[str, Node], structs: list[type[msgspec.Struct]]) -> type[msgspec.Struct] | str:
    """The struct that the tag says, or what is wrong with the tag."""
    if len(structs) == 1 and structs[0].__struct_config__.tag is None:
        return structs[0]
    by_tag = {struct.__struct_config__.tag: struct for struct in structs}
    if "type" not in fields:
        return f"is missing, one of {', '.join(map(str, by_tag))}"
    given = fields["type"].plain
    if not isinstance(given, str) or given not in by_tag:
        return f"must be one of {', '.join(map(str, by_tag))}, not {given!r:.60}"
    return by_tag[given]


def _parts(type_: Any) -> tuple[Any, ...]:
    """The members of a union; an annotated union is taken apart as well, any other type stands alone."""
    if get_origin(type_) is Annotated:
        inner = _parts(get_args(type_)[0])
        return inner if len(inner) > 1 else (type_,)
    is_union = get_origin(type_) is Union or type(type_).__name__ == "UnionType"
    return get_args(type_) if is_union else (type_,)


def _reason(message: str, type_: Any, given: Any) -> str:
    """msgspec's words as those of people. What was given is not told, save for words of a choice: it may be
    a secret that stands in a wrong place."""
    wrong = _WRONG_TYPE.fullmatch(message)
    if wrong is not None and {wrong["wanted"], wrong["given"]} <= _TYPES.keys():
        return f"must be {_TYPES[wrong['wanted']]}, not {_TYPES[wrong['given']]}"
    if (out := _OUT_OF_BOUNDS.fullmatch(message)) is not None:
        return f"must be {_TYPES[out['wanted']]} {out['bound']}"
    if message.startswith("Invalid enum value") and (choices := _choices(type_)):
        only = choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
        return f"must be {only}, not {given!r:.60}"
    if "matching regex" in message and (means := _meaning(type_)):
        return f"must be {means}"
    return message


def _choices(type_: Any) -> list[str]:
    """The values of a `Literal`, also of an optional or annotated one."""
    if get_origin(type_) is Literal:
        return [str(value) for value in get_args(type_)]
    return [choice for part in get_args(type_) for choice in _choices(part)]


def _meaning(type_: Any) -> str:
    """What the pattern of an annotated type stands for, in words."""
    for part in get_args(type_):
        if isinstance(part, msgspec.Meta) and part.extra:
            return str(part.extra.get("means", ""))
        if found := _meaning(part):
            return found
    return ""


def _guess(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f": did you mean {close[0]}?" if close else ""
