"""What of a call fits before a judge.

What a verdict rests on is shown whole or not at all: the answer, the context and the reference of rubrics
that need them, the whole session of a session's rubric. Where these do not fit, the call is `too_long` and
not graded by a part of them. What only sets the scene, the conversation before the answer, keeps its head
(system text, first question) and its tail (the last question); the middle is left out, marked, and counted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from evaluators.judging.items import JudgeItem, Message
from evaluators.judging.rubrics import Need

HEAD_SHARE = 0.25
"""Of what is kept of a long conversation; the rest is its tail, where the question stands."""

_WHOLE_SHARE = 0.75
"""Of the bound, for what must be whole: a question is left to read beside it."""

_TURN_BYTES = 64
"""What a turn costs beside its text: its line of a fence and a role."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A turn as it is shown: `head`, then a mark where `left_out` characters were, then `tail`.

    Turns in a row that are left out wholly are one that `is_gone`, with `turns` their number.
    """

    role: str
    head: str
    tail: str = ""
    left_out: int = 0
    turns: int = 1
    is_gone: bool = False


def fit(item: JudgeItem, *, needs: frozenset[Need], max_bytes: int) -> tuple[Shown, ...] | None:
    """The conversation as it is shown with the answer, in at most `max_bytes` of UTF-8; None: too long."""
    whole = _size(item.answer)
    whole += _size(item.context) if "context" in needs else 0
    whole += _size(item.reference) if "reference" in needs else 0
    conversation = sum(_size(turn.text) for turn in item.conversation)
    if whole + conversation <= max_bytes:
        return tuple(Shown(turn.role, turn.text) for turn in item.conversation)
    if "session" in needs or whole > _WHOLE_SHARE * max_bytes:
        return None
    return tuple(_joined(_cut(item.conversation, total=conversation, kept=max_bytes - whole)))


def left_out(shown: Iterable[Shown]) -> dict[str, int]:
    """How much was left out, for a judgement's details: empty where nothing was."""
    cut = [turn for turn in shown if turn.left_out or turn.is_gone]
    if not cut:
        return {}
    gone = sum(turn.turns for turn in cut if turn.is_gone)
    return {"left_out_characters": sum(turn.left_out for turn in cut), "left_out_turns": gone}


def _cut(turns: Iterable[Message], *, total: int, kept: int) -> Iterable[Shown]:
    """The turns as one stretch of `total` bytes, of which the first and the last, `kept` in all, stay."""
    head_end = int(kept * HEAD_SHARE)
    tail_start = total - (kept - head_end)
    start = 0
    for turn in turns:
        end = start + _size(turn.text)
        if end <= head_end or start >= tail_start:
            yield Shown(turn.role, turn.text)
        elif start >= head_end and end <= tail_start:
            yield Shown(turn.role, "", left_out=len(turn.text), is_gone=True)
        else:
            data = turn.text.encode("utf-8", "replace")
            # Bytes of a character that was cut through are dropped.
            head = data[: max(head_end - start, 0)].decode("utf-8", "ignore")
            tail = data[max(tail_start - start, 0) :].decode("utf-8", "ignore") if end > tail_start else ""
            yield Shown(turn.role, head, tail, left_out=len(turn.text) - len(head) - len(tail))
        start = end


def _joined(turns: Iterable[Shown]) -> Iterable[Shown]:
    """The same with turns in a row that were left out wholly told as one."""
    gone: Shown | None = None
    for turn in turns:
        if turn.is_gone:
            before = gone or Shown("", "", turns=0)
            gone = replace(turn, left_out=before.left_out + turn.left_out, turns=before.turns + turn.turns)
            continue
        if gone:
            yield gone
            gone = None
        yield turn
    if gone:
        yield gone


def _size(text: str | None) -> int:
    if text is None:
        return 0
    # A lone surrogate becomes a question mark here and U+FFFD when shown: two bytes more, which is nothing.
    return _TURN_BYTES + (len(text) if text.isascii() else len(text.encode("utf-8", "replace")))
