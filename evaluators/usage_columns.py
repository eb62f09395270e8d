"""A column of numbers in the place of one: the reader of one usage object reads many with it.

Sums of a `Column` are columns. A comparison is answered for one of the calls, the sample; the calls with
another answer have gone another way through the reader, and what it returns is not about them.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluators.usage_fields import ManyCounts

Numbers = NDArray[np.int64]
Answers = NDArray[np.bool_]


class NotAlikeError(Exception):
    """The reader asks what cannot be answered for a whole column: the calls must be read one by one."""


class Way:
    """Which calls have given each answer so far that the sample gave."""

    __slots__ = ("same", "sample")

    def __init__(self, n_calls: int) -> None:
        self.sample: Final = n_calls // 2
        self.same: Answers = np.ones(n_calls, dtype=np.bool_)

    def answer(self, answers: Answers) -> bool:
        """The sample's answer."""
        answer = bool(answers[self.sample])
        self.same &= answers if answer else ~answers
        return answer


class Unread:
    """A number that is no count, such as a server's seconds: whoever looks at it must read one by one."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise NotAlikeError

    def __bool__(self) -> bool:
        raise NotAlikeError

    def __eq__(self, other: object) -> bool:
        raise NotAlikeError

    def __str__(self) -> str:
        raise NotAlikeError

    def __format__(self, spec: str) -> str:
        raise NotAlikeError


class Column(ManyCounts):
    """A count of each call. It can be added, subtracted, compared and asked whether it is 0; nothing else."""

    __slots__ = ("values", "way")

    def __hash__(self) -> int:
        raise NotAlikeError

    def __init__(self, values: Numbers, way: Way) -> None:
        self.values: Final = values
        self.way: Final = way

    def __add__(self, other: object) -> "Column":
        return Column(self.values + _values(other), self.way)

    __radd__ = __add__

    def __sub__(self, other: object) -> "Column":
        return Column(self.values - _values(other), self.way)

    def __rsub__(self, other: object) -> "Column":
        return Column(_values(other) - self.values, self.way)

    def __bool__(self) -> bool:
        return self.way.answer(self.values != 0)

    def __eq__(self, other: object) -> bool:
        return other is not None and self.way.answer(self.values == _values(other))

    def __lt__(self, other: object) -> bool:
        return self.way.answer(self.values < _values(other))

    def __le__(self, other: object) -> bool:
        return self.way.answer(self.values <= _values(other))

    def __gt__(self, other: object) -> bool:
        return self.way.answer(self.values > _values(other))

    def __ge__(self, other: object) -> bool:
        return self.way.answer(self.values >= _values(other))

    def __str__(self) -> str:
        raise NotAlikeError

    def __format__(self, spec: str) -> str:
        raise NotAlikeError


def _values(other: object) -> Any:
    if isinstance(other, Column):
        return other.values
    if type(other) is int:
        return other
    raise NotAlikeError
