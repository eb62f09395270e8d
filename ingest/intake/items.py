"""A body cut into its items: a JSON array, an object with one array in it, or JSON lines."""

import json

import msgspec

from ingest.importers.odd_text import decode_odd, scan_object
from ingest.landing.result import Problem

_BOM = b"\xef\xbb\xbf"
_array = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError)


def split_items(body: bytes, *, name: str) -> list[bytes] | Problem:
    """The bytes of each item, in order: of `[…]`, of `{"<name>": […]}`, of one object, or of JSON lines."""
    data = body.removeprefix(_BOM).strip()
    try:
        if data.startswith(b"["):
            return _of_array(data)
        if data.startswith(b"{"):
            return _of_object(data, name=name)
    except RecursionError:
        return Problem("too_deep", "the body is nested too deeply to be read")
    return Problem("broken_json", f'the body is no JSON array, no {{"{name}": […]}} and no JSON lines')


def _of_object(data: bytes, *, name: str) -> list[bytes] | Problem:
    try:
        members = _object.decode(data)
    except _BAD_JSON:
        if b"\n" in data:
            return [line for line in data.split(b"\n") if line.strip()]
        return _of_odd_object(data, name=name)
    if name not in members:
        return [data]
    if len(members) > 1:
        others = ", ".join(sorted(members.keys() - {name}))[:100]
        return Problem("bad_field", f"nothing may stand beside {name}: {others}")
    return _of_array(bytes(members[name]))


def _of_odd_object(data: bytes, *, name: str) -> list[bytes] | Problem:
    """An object whose text is no Unicode, which only the lenient reader takes."""
    text, errors = decode_odd(data)
    try:
        members = scan_object(text)
    except ValueError as error:
        return Problem("broken_json", str(error))
    if name in members:
        return _of_array(members[name][1].encode("utf-8", errors))
    return [data]


def _of_array(data: bytes) -> list[bytes] | Problem:
    try:
        return [bytes(item) for item in _array.decode(data)]
    except msgspec.ValidationError as error:
        return Problem("bad_field", str(error))
    except _BAD_JSON as error:
        return _of_odd_array(data, refusal=str(error))


def _of_odd_array(data: bytes, *, refusal: str) -> list[bytes] | Problem:
    text, errors = decode_odd(data)
    decoder, items, at = json.JSONDecoder(), list[bytes](), _space(text, 1)
    try:
        while not text.startswith("]", at):
            start = at
            _, at = decoder.raw_decode(text, at)
            items.append(text[start:at].encode("utf-8", errors))
            at = _space(text, at)
            if text.startswith(",", at):
                at = _space(text, at + 1)
            elif not text.startswith("]", at):
                return Problem("broken_json", refusal)
    except ValueError:
        return Problem("broken_json", refusal)
    return items if at == len(text) - 1 else Problem("broken_json", refusal)


def _space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at
