"""Forms of usage objects: what is left of one when its whole numbers are taken out.

Calls of one provider and API send the same few forms with other numbers. The objects of a form are decoded
straight into columns, several times as fast as into dictionaries, and only those of exactly this form are:
the same fields in the same nesting, the same strings, and counts where the form has counts.
"""

from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from evaluators.usage_fields import MAX_TOKENS

Counts = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]
Skeleton = tuple[Hashable, ...]

MAX_FIELDS: Final = 64
MAX_DEPTH: Final = 5
COUNT: Final = "count"
FLOAT: Final = "float"
TEXT: Final = "text"
OBJECT: Final = "object"
LIST: Final = "list"


class NoFormError(Exception):
    """A usage object too odd to look for more of its kind."""


@dataclass(frozen=True, slots=True)
class Form:
    """`decode` gives what `columns` understands, or raises `msgspec.DecodeError` for text of another form."""

    decode: Callable[[str], Any]
    kind: "_Kind"

    def columns(self, decoded: Collection[Any]) -> list[NDArray[np.int64]]:
        """A column per whole number of the form, in the order of the fields."""
        return list(_columns(self.kind, decoded))


def form_of(usage: object) -> Form:
    """The form of a usage object as decoded from its JSON. Raises NoFormError."""
    skeleton = _skeleton(usage, depth=0)
    if skeleton[0] != OBJECT or _size(skeleton) > MAX_FIELDS:
        raise NoFormError
    try:
        return _form(skeleton)
    except ValueError as error:  # a name with quotes or control characters
        raise NoFormError from error


@dataclass(frozen=True, slots=True)
class _Kind:
    """What msgspec decodes a part of the form into, and the kinds of the parts of that."""

    type: Any
    parts: tuple["_Kind", ...] = ()
    is_object: bool = False
    is_count: bool = False


@lru_cache(maxsize=256)
def _form(skeleton: Skeleton) -> Form:
    kind = _kind(skeleton)
    return Form(msgspec.json.Decoder(kind.type).decode, kind)


def _skeleton(value: object, *, depth: int) -> Skeleton:
    if depth > MAX_DEPTH:
        raise NoFormError
    if type(value) is int:
        return (COUNT,)
    if isinstance(value, float):
        return (FLOAT,)
    if value is None or isinstance(value, str):
        return (TEXT, value)
    if isinstance(value, dict):
        return (OBJECT, *((name, _skeleton(part, depth=depth + 1)) for name, part in value.items()))
    if isinstance(value, list):
        return (LIST, *(_skeleton(part, depth=depth + 1) for part in value))
    raise NoFormError


def _size(skeleton: Skeleton) -> int:
    return 1 + sum(_size(part) for part in skeleton if isinstance(part, tuple))


def _kind(skeleton: Any) -> _Kind:
    sort, *parts = skeleton
    if sort == OBJECT:
        kinds = tuple(_kind(part) for _, part in parts)
        names = {f"f{number}": name for number, (name, _) in enumerate(parts)}
        fields = [(field, kind.type) for field, kind in zip(names, kinds, strict=True)]
        struct = msgspec.defstruct("Usage", fields, rename=names, forbid_unknown_fields=True, gc=False)
        return _Kind(struct, kinds, is_object=True)
    if sort == LIST:
        kinds = tuple(map(_kind, parts))
        return _Kind(tuple[tuple(kind.type for kind in kinds)], kinds)
    if sort == TEXT:
        return _Kind(Literal[parts[0]])
    return _Kind(Counts, is_count=True) if sort == COUNT else _Kind(float)


def _columns(kind: _Kind, values: Collection[Any]) -> Iterator[NDArray[np.int64]]:
    for number, part in enumerate(kind.parts):
        get = attrgetter(f"f{number}") if kind.is_object else itemgetter(number)
        if part.is_count:
            yield np.fromiter(map(get, values), np.int64, len(values))
        elif part.parts:
            yield from _columns(part, list(map(get, values)))
