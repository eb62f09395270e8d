"""YAML as plain values that know their lines; what YAML can do beyond that is refused.

An alias can be made to mean a billion things, a tag to make an object, and a doubled key to hide the other.
Scalars are those of YAML 1.2: `no` is a word, and 22:00 a time, not the 1,320 of YAML 1.1.
"""

import math
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # a build of PyYAML without libyaml
    from yaml import SafeLoader as Loader

MOST_BYTES = 1_000_000
MOST_NODES = 100_000
DEEPEST = 24
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_CLOCK = re.compile(r"[0-2][0-9]:[0-5][0-9]", re.ASCII)
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}

Scalar: TypeAlias = str | int | float | bool | None


class YamlError(ValueError):
    """The text is no YAML that we take; `line` counts from 1, 0 where no line is to blame."""

    def __init__(self, reason: str, *, line: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.line = reason, line


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its line; of a mapping, a list or a scalar exactly one is set (a scalar may be None)."""

    line: int
    fields: "dict[str, Node] | None" = None
    items: "list[Node] | None" = None
    scalar: Scalar = None

    @property
    def plain(self) -> Any:
        """The value as dicts, lists and scalars."""
        if self.fields is not None:
            return {name: node.plain for name, node in self.fields.items()}
        return [node.plain for node in self.items] if self.items is not None else self.scalar


def read_node(data: bytes) -> Node:
    """The one document of a UTF-8 text. Raises YamlError."""
    if len(data) > MOST_BYTES:
        raise YamlError(f"more than {MOST_BYTES:,} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError("not UTF-8", line=data.count(b"\n", 0, error.start) + 1) from None
    try:
        _refuse_tricks(text)
        root = yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.problem, error.context) if part)
        raise YamlError(f"not YAML: {reason}", line=mark.line + 1 if mark else 0) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise YamlError(f"not YAML: {' '.join(str(error).split())}") from None
    if root is None:
        raise YamlError("it is empty")
    return _node(root)


def _refuse_tricks(text: str) -> None:
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=Loader)):
        line = event.start_mark.line + 1
        if number > MOST_NODES:
            raise YamlError(f"more than {MOST_NODES:,} values", line=line)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise YamlError("anchors and aliases are not taken", line=line)
        if getattr(event, "tag", None) not in (None, "!"):
            raise YamlError(f"tags such as {event.tag[:40]} are not taken", line=line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise YamlError(f"nested deeper than {DEEPEST}", line=line)


def _node(node: Any) -> Node:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return Node(line, fields=_fields(node))
    if isinstance(node, yaml.SequenceNode):
        return Node(line, items=[_node(item) for item in node.value])
    return Node(line, scalar=_scalar(node))


def _fields(node: yaml.MappingNode) -> dict[str, Node]:
    fields: dict[str, Node] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise YamlError("a name must be a word", line=line)
        name: str = key.value
        if name in fields:
            raise YamlError(f"{name[:80]} stands twice, first in line {fields[name].line}", line=line)
        fields[name] = _at(_node(value), line)
    return fields


def _at(node: Node, line: int) -> Node:
    """A field is where its name stands, not where a value below it begins."""
    return Node(line, node.fields, node.items, node.scalar)


def _scalar(node: yaml.ScalarNode) -> Scalar:
    text: str = node.value
    if node.style in ("'", '"', "|", ">"):
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _CLOCK.fullmatch(text):
        return f"{text}:00"  # a time has seconds for msgspec
    number = float(text) if _FLOAT.fullmatch(text) else math.nan
    return number if math.isfinite(number) else text
