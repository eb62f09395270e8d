"""What a judge is shown of one call, and why a call cannot be shown to one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Final

from evaluators.judging.rubrics import Need

NOT_APPLICABLE: Final = "not_applicable"
NOT_EVALUABLE: Final = "not_evaluable"

KEPT_STATES: Final = frozenset({"full", "text", "masked"})
"""Body states that still hold text; masked text is judged as it stands, the prompt tells what marks are."""

_ASKING = ("user", "human")
_ANSWERING = ("assistant", "model")
# What renders as nothing though Unicode calls it a letter or a symbol: Hangul fillers, the braille blank.
_FILLERS = "\u115f\u1160\u3164\uffa0\u2800"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn before the judged answer; `role` as the provider had it (system, user, assistant, tool …)."""

    role: str
    text: str


@dataclass(frozen=True)
class JudgeItem:
    """One call as a judge may see it.

    `conversation` is everything before `answer`, oldest first. `context` is what the answer was to rest on
    (retrieved passages), `reference` a known good answer. `models` are the names of the judged model, asked
    for and served, for a judge must not grade itself. `body_state` is that of `raw.llm_calls`.
    """

    call_id: str
    started_at: datetime
    conversation: tuple[Message, ...]
    answer: str
    context: str | None = None
    reference: str | None = None
    models: tuple[str, ...] = ()
    body_state: str = "full"

    @cached_property
    def content_hash(self) -> bytes:
        """SHA-256 (32 bytes) over all that a judge may be shown; neither id, time nor model is part of it."""
        # The length first, so that no text can pass for the start of the next.
        return sha256(b"".join(b"%d:%b" % (len(piece), piece) for piece in self._pieces())).digest()

    def _pieces(self) -> Iterator[bytes]:
        yield b"%d" % len(self.conversation)
        for message in self.conversation:
            yield _bytes(message.role)
            yield _bytes(message.text)
        yield _bytes(self.answer)
        for text in (self.context, self.reference):
            yield b"" if text is None else b"=" + _bytes(text)


def gap(item: JudgeItem, *, needs: frozenset[Need]) -> str | None:
    """Why a rubric that needs `needs` cannot be asked about the call, or None.

    `not_evaluable` where its text was not kept; `not_applicable` where what the rubric judges or rests on is
    absent or blank (an empty answer is the business of the rule `empty_answer`, and no low grade).
    """
    if item.body_state not in KEPT_STATES:
        return NOT_EVALUABLE
    return None if all(_has(item, need) for need in needs) else NOT_APPLICABLE


def _has(item: JudgeItem, need: Need) -> bool:
    match need:
        case "answer":
            return _is_visible(item.answer)
        case "prompt":
            return any(
                turn.role in ("user", "human") and _is_visible(turn.text) for turn in item.conversation
            )
        case "context":
            return _is_visible(item.context)
        case "reference":
            return _is_visible(item.reference)
        case "session":
            return any(turn.role in _ANSWERING for turn in item.conversation)


def _is_visible(text: str | None) -> bool:
    """Whether anything in the text renders; cheap, as the first letter of nearly any text does."""
    return text is not None and any(
        sign.isprintable() and not sign.isspace() and sign not in _FILLERS for sign in text
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
