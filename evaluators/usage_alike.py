"""Usage objects of many calls, read form by form: what the reader of one object says, without its cost.

There is one truth about usage objects, `evaluators.usage`, and it is not repeated here: the calls of a form
are read by one run of it on columns, for all that go the same way through it as a sample of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from evaluators.usage_columns import Column, NotAlikeError, Numbers, Unread, Way
from evaluators.usage_forms import Form, NoFormError, form_of

T = TypeVar("T")
Places = NDArray[np.intp]

MIN_CALLS: Final = 100
"""Fewer calls are read one by one as fast."""

BLOCK: Final = 1_000
"""Decoded at a time: what has just been read is still in the processor's cache."""

MAX_FORMS: Final = 8
MAX_RARE: Final = 2
"""So many forms that hold less than a tenth of what is left, and the rest is read one by one."""

MAX_WAYS: Final = 8


@dataclass(frozen=True, slots=True)
class Alike(Generic[T]):
    """Calls, by their places among the texts, of which the reader says `found`."""

    places: Places
    found: T
    way: Way

    def numbers(self, count: object) -> Numbers:
        """A count in `found`, for each of the calls."""
        if isinstance(count, Column):
            return count.values[self.way.same]
        return np.full(len(self.places), count, np.int64)


def read_alike(texts: Sequence[str], read: Callable[[Any], T]) -> Iterator[Alike[T]]:
    """What `read` says of the usage objects (JSON) of the most frequent forms.

    No call comes twice; those that do not come have to be read one by one. `read` may add, subtract and
    compare counts, and must give `Column`s back as they are.
    """
    rest = list(range(len(texts)))
    patience = MAX_RARE
    for _ in range(MAX_FORMS):
        if len(rest) < MIN_CALLS or patience <= 0:
            return
        sample = rest.pop(len(rest) // 2)
        try:
            usage = msgspec.json.decode(texts[sample])
            form = form_of(usage)
        except (msgspec.DecodeError, RecursionError, NoFormError):
            continue
        places, columns, rest = _of_form(form, texts, [*rest, sample])
        patience -= len(places) * 10 < len(rest)
        yield from _by_way(usage, columns, np.array(places, np.intp), read)


def _of_form(
    form: Form, texts: Sequence[str], places: Sequence[int]
) -> tuple[list[int], list[Numbers], list[int]]:
    """The places that hold the form, their columns of numbers, and the other places."""
    same, other, blocks = list[int](), list[int](), list[list[Numbers]]()
    decode = form.decode
    for start in range(0, len(places), BLOCK):
        decoded: list[Any] = []
        for place in places[start : start + BLOCK]:
            try:
                decoded.append(decode(texts[place]))
            except (msgspec.DecodeError, RecursionError):
                other.append(place)
            else:
                same.append(place)
        blocks.append(form.columns(decoded))
    return same, [np.concatenate(parts) for parts in zip(*blocks, strict=True)], other


def _by_way(
    usage: object, columns: list[Numbers], places: Places, read: Callable[[Any], T]
) -> Iterator[Alike[T]]:
    for _ in range(MAX_WAYS):
        if len(places) < MIN_CALLS:
            return
        way = Way(len(places))
        try:
            found = read(_with_columns(usage, (Column(values, way) for values in columns)))
        except (NotAlikeError, TypeError):
            pass  # so it would be for all that came as far as the sample
        else:
            yield Alike(places[way.same], found, way)
        other = ~way.same
        places, columns = places[other], [values[other] for values in columns]


def _with_columns(value: Any, numbers: Iterator[Column]) -> Any:
    """The usage object with the next column in the place of each whole number."""
    if type(value) is int:
        return next(numbers)
    if isinstance(value, float):
        return Unread()
    if isinstance(value, dict):
        return {name: _with_columns(part, numbers) for name, part in value.items()}
    return [_with_columns(part, numbers) for part in value] if isinstance(value, list) else value
