"""Taking what is known out of a span's attributes, so that what is left can be kept as it is."""

import math
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from ingest.providers.lenient import read_json

_DEEPEST = 8
_MOST_ITEMS = 2000


class Reader:
    """A span's attributes and which of them were asked for. The first of several names that is there wins."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = attributes
        self._seen: set[str] = set()

    def value(self, *names: str) -> Any:
        """The first value that is neither absent nor empty."""
        self._seen.update(names)
        return next((value for name in names if (value := self.attributes.get(name)) not in (None, "")), None)

    def text(self, *names: str) -> str | None:
        """The same as text; a number is a name, too, anything else is none."""
        for name in names:
            value = self.value(name)
            if isinstance(value, str):
                return value
            if isinstance(value, int | float) and not isinstance(value, bool):
                return str(value)
        return None

    def number(self, *names: str) -> float | None:
        value = self.value(*names)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return float(value)

    def items(self, prefix: str) -> list[dict[str, Any]]:
        """What stands under `<prefix>.<number>.…`, in the order of the numbers, each as a nested object."""
        found: dict[int, dict[str, Any]] = {}
        for name, value in self.attributes.items():
            if not name.startswith(prefix + "."):
                continue
            number, _, rest = name[len(prefix) + 1 :].partition(".")
            if not (number.isascii() and number.isdigit() and len(number) <= 6):
                continue
            self._seen.add(name)
            if len(found) < _MOST_ITEMS or int(number) in found:
                _put(found.setdefault(int(number), {}), rest, value)
        return [found[number] for number in sorted(found)]

    def rest(self) -> dict[str, Any]:
        """Attributes nobody asked for."""
        return {name: value for name, value in self.attributes.items() if name not in self._seen}


def listed(value: Any) -> list[Any]:
    """An array that came as one, or as JSON in a string; an object is an array of one."""
    if isinstance(value, str):
        value = read_json(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, dict):
        return [value]
    return cast("list[Any]", value) if isinstance(value, list) else []


def numbered(value: Any) -> list[dict[str, Any]]:
    """The objects under the numbers `0`, `1`, … of a nested object, in their order."""
    if not isinstance(value, dict):
        return []
    keys = sorted((key for key in value if str(key).isdigit()), key=int)
    return [value[key] for key in keys if isinstance(value[key], dict)]


def as_json(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, RecursionError, OverflowError):
        return repr(value)


def _put(target: dict[str, Any], path: str, value: Any) -> None:
    """Set `value` at a dotted path; below the eighth level the rest of the path is one name."""
    *parents, last = path.split(".", _DEEPEST) if path else ["value"]
    for name in parents:
        inner = target.get(name)
        if not isinstance(inner, dict):
            inner = target[name] = {}
        target = cast("dict[str, Any]", inner)
    target[last] = value
