"""Which format a file is of: told by the names of its first object's members, not by the file's name."""

import json
import re
from collections.abc import Sequence

from ingest.importers.formats.base import Format
from ingest.importers.sources import SourceError

_NAME = re.compile(rb'"(\w{1,64})"\s*:')
_COLUMNS = re.compile(rb'\s*"?\w+"?(?:[,;\t]"?\w+"?){4,}\r?\n')
_LINES = 20
_decoder = json.JSONDecoder()


def find_format(head: bytes, formats: Sequence[Format]) -> Format | None:
    """The format of the JSON in `head`, the beginning of a file. Raises SourceError for a CSV."""
    if _COLUMNS.match(head):
        raise SourceError("it is CSV; export it as JSONL, JSON or Parquet")
    return find_by_names(_member_names(head), formats)


def find_by_names(names: frozenset[str], formats: Sequence[Format]) -> Format | None:
    """The first format that knows an object with these members."""
    return next((each for each in formats if each.is_known(names)), None)


def _member_names(head: bytes) -> frozenset[str]:
    """The members of the first object that can be read; where all are cut off, every name in sight."""
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n,")
    for start in (text, *text.split("\n", _LINES)[1:_LINES]):
        try:
            value, _ = _decoder.raw_decode(start)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return frozenset(map(str, value))
    return frozenset(name.decode() for name in _NAME.findall(head))
