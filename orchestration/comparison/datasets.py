"""Datasets and recorded answers as JSONL, read strictly: a misspelt member is no missing one."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from evaluators.judging.items import Message
from ingest.importers.lines import split_lines
from ingest.importers.sources import SourceError, read_chunks
from orchestration.comparison.items import EvalItem

T = TypeVar("T")

ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_LONGEST_ID = 200


class DatasetError(ValueError):
    """A file cannot be used; the message is one line and names file and line."""


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    text: str


class _Turn(msgspec.Struct, forbid_unknown_fields=True):
    role: str
    content: str | list[_Part]


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    id: str | int | None = None
    prompt: str | None = None
    messages: list[_Turn] | None = None
    turns: list[str] | None = None
    system: str | None = None
    context: str | list[str] | None = None
    reference: str | None = None
    answer: str | None = None
    answers: list[str] | None = None
    cluster: str | int | None = None
    tags: dict[str, Any] | None = None


class _AnswerRow(msgspec.Struct, forbid_unknown_fields=True):
    id: str | int
    answer: str | None = None
    answers: list[str] | None = None
    model: str | None = None
    tags: dict[str, Any] | None = None


def read_dataset(path: Path) -> tuple[EvalItem, ...]:
    """The items of a file: an object a line with exactly one of `prompt`, `messages` (up to and with the user
    message to be answered) or `turns` (user messages, each said after the answer before it), and optionally
    `id`, `system`, `context`, `reference`, `answer` or `answers`, `cluster`, `tags`.

    Without an id an item is called by its line, without a cluster it is clustered with those that ask the
    same. Plain, gzip, xz or zstd. Raises DatasetError, also for an empty file and for an id that comes twice.
    """
    items: dict[str, EvalItem] = {}
    for number, row in _rows(path, _Row):
        try:
            item = _item(row, number=number)
        except ValueError as error:
            raise DatasetError(f"{path}, line {number}: {error}") from None
        if item.item_id in items:
            raise DatasetError(f"{path}, line {number}: the id {item.item_id!r} came before")
        items[item.item_id] = item
    if not items:
        raise DatasetError(f"{path} holds no item")
    return tuple(items.values())


def read_answers(path: Path, *, model: str | None) -> dict[str, tuple[str, ...]]:
    """Recorded answers by item: an object a line with `id` and `answer` (or `answers`, one a turn).

    Lines that name a `model` count only where it is `model`. Raises DatasetError; also where an item has two.
    """
    found: dict[str, tuple[str, ...]] = {}
    n_rows = 0
    for number, row in _rows(path, _AnswerRow):
        n_rows += 1
        if row.model is not None and row.model != model:
            continue
        try:
            answers = _answers(row.answer, row.answers)
        except ValueError as error:
            raise DatasetError(f"{path}, line {number}: {error}") from None
        if not answers:
            raise DatasetError(f"{path}, line {number}: needs an answer, or answers")
        if str(row.id) in found:
            raise DatasetError(f"{path}, line {number}: the id {str(row.id)!r} came before")
        found[str(row.id)] = answers
    if not found:
        raise DatasetError(f"{path} holds no answer{f' of {model}' if n_rows else ''}")
    return found


def _rows(path: Path, kind: type[T]) -> Iterator[tuple[int, T]]:
    decoder = msgspec.json.Decoder(kind)
    try:
        for line in split_lines(read_chunks(path, on_read=lambda _: None)):
            if not line.is_whole:
                raise DatasetError(f"{path}, line {line.number}: is longer than 32 MB")
            data = line.data.removeprefix(b"\xef\xbb\xbf") if line.number == 1 else line.data
            if not data.strip():
                continue
            yield line.number, _decoded(data, decoder, kind, where=f"{path}, line {line.number}")
    except SourceError as error:
        raise DatasetError(f"{path}: {error}") from None


def _decoded(data: bytes, decoder: msgspec.json.Decoder[T], kind: type[T], *, where: str) -> T:
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise DatasetError(f"{where}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:  # Python reads lone surrogates, as the people who wrote the file with it did not notice.
        return msgspec.convert(json.loads(data), kind)
    except msgspec.ValidationError as error:
        raise DatasetError(f"{where}: {error}") from None
    except (ValueError, RecursionError):
        raise DatasetError(f"{where}: is no JSON object") from None


def _item(row: _Row, *, number: int) -> EvalItem:
    opening, followups = _asked(row)
    name = str(number) if row.id is None else str(row.id)
    if not name.strip() or len(name) > _LONGEST_ID or not name.isprintable():
        raise ValueError(f"an id has 1 to {_LONGEST_ID} printable characters")
    recorded = _answers(row.answer, row.answers)
    if recorded is not None and len(recorded) != 1 + len(followups):
        raise ValueError(f"has {1 + len(followups)} turns and {len(recorded)} answers")
    item = EvalItem(
        item_id=name,
        opening=opening,
        followups=followups,
        context="\n\n".join(row.context) if isinstance(row.context, list) else row.context,
        reference=row.reference,
        recorded=recorded,
    )
    cluster = item.prompt_hash.hex()[:16] if row.cluster is None else str(row.cluster)
    return replace(item, cluster=cluster)


def _asked(row: _Row) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    given = [name for name in ("prompt", "messages", "turns") if getattr(row, name) is not None]
    if len(given) != 1:
        raise ValueError(f"needs one of prompt, messages or turns, and has {' and '.join(given) or 'none'}")
    system = () if row.system is None else (Message("system", row.system),)
    if row.messages is not None:
        return (*system, *_messages(row.messages)), ()
    first, *rest = [row.prompt] if row.prompt is not None else row.turns or [""]
    if not (first or "").strip():
        raise ValueError(f"its {given[0]} is empty")
    return (*system, Message("user", first or "")), tuple(rest)


def _messages(turns: list[_Turn]) -> tuple[Message, ...]:
    if not turns or turns[-1].role != "user":
        raise ValueError("its messages must end with the user's, which is to be answered")
    if strange := next((turn.role for turn in turns if turn.role not in ROLES), None):
        raise ValueError(f"{strange[:40]!r} is no role: {', '.join(sorted(ROLES))}")
    return tuple(Message(turn.role, _text(turn.content)) for turn in turns)


def _text(content: str | list[_Part]) -> str:
    if isinstance(content, str):
        return content
    if other := next((part.type for part in content if part.type != "text"), None):
        raise ValueError(f"a message holds {other[:40]!r}; only text can be asked")
    return "\n".join(part.text for part in content)


def _answers(answer: str | None, answers: list[str] | None) -> tuple[str, ...] | None:
    if answer is not None and answers is not None:
        raise ValueError("has both answer and answers")
    return (answer,) if answer is not None else None if answers is None else tuple(answers)
