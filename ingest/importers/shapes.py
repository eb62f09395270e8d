"""A typed shape of a JSON object: most lines pass its decoder at once, the others take a slower way to it."""

from typing import Any, Generic, TypeVar

import msgspec

from ingest.importers.odd_text import decode_odd, scan_object
from ingest.landing.result import Problem

T = TypeVar("T", bound=msgspec.Struct)

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NOTHING: dict[str, Any] = {}
_TOO_DEEP = Problem("too_deep", "the line is nested too deeply to be read")


class Shape(Generic[T]):
    """Reads objects into `kind`, a Struct that forbids unknown members; these are given beside it.

    Members of type `Raw` keep their bytes as they stand in the line.
    """

    def __init__(self, kind: type[T]) -> None:
        fields = msgspec.structs.fields(kind)
        self._kind = kind
        self._names = {field.encode_name: field.name for field in fields}
        self._raw = {field.encode_name for field in fields if field.type is msgspec.Raw}
        self._strict = msgspec.json.Decoder(kind)
        self._lax = msgspec.json.Decoder(kind, strict=False)

    def read(self, line: bytes) -> tuple[T, dict[str, Any]] | Problem:
        """The object and the members it does not know, or why the line is none.

        A line with unknown members, numbers in quotes or text that is no Unicode (lone surrogates, broken
        UTF-8) takes the slower way.
        """
        try:
            return self._strict.decode(line), _NOTHING
        except RecursionError:
            return _TOO_DEEP
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        try:
            return self._by_members(line)
        except RecursionError:
            return _TOO_DEEP
        except msgspec.ValidationError as error:
            return Problem("bad_field", str(error))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return self._odd_text(line, refusal=str(error))

    def _by_members(self, line: bytes) -> tuple[T, dict[str, Any]]:
        members = _members.decode(line)
        names = self._names
        known = b",".join(b'"%b":%b' % (name.encode(), raw) for name, raw in members.items() if name in names)
        unknown = {name: msgspec.json.decode(raw) for name, raw in members.items() if name not in names}
        return self._lax.decode(b"{%b}" % known), unknown

    def _odd_text(self, line: bytes, *, refusal: str) -> tuple[T, dict[str, Any]] | Problem:
        text, errors = decode_odd(line)
        names, raw = self._names, self._raw
        try:
            members = scan_object(text)
            typed = {name: value for name, (value, _) in members.items() if name in names and name not in raw}
            made = msgspec.convert(typed, self._kind, strict=False)
        except RecursionError:
            return _TOO_DEEP
        except msgspec.ValidationError as error:
            return Problem("bad_field", str(error))
        except ValueError:
            return Problem("broken_json", refusal)
        for name in raw & members.keys():
            setattr(made, names[name], msgspec.Raw(members[name][1].encode("utf-8", errors)))
        return made, {name: value for name, (value, _) in members.items() if name not in names}
