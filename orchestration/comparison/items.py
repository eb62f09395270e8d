"""An item of an evaluation dataset: what is asked, turn by turn, and what the answers are judged by."""

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

from evaluators.judging.items import Message

Side = Literal["candidate", "baseline"]


@dataclass(frozen=True)
class EvalItem:
    """One prompt, one conversation or one session of a dataset.

    `opening` ends with the first user message to be answered; each of `followups` is said after the answer
    before it, so that a model is asked `1 + len(followups)` times. `context` is what answers were to rest on,
    `reference` a known good last answer, `recorded` the answers the dataset itself holds. Intervals are
    clustered on `cluster`. Where it was taken from a call, `source_model` answered it.
    """

    item_id: str
    opening: tuple[Message, ...]
    followups: tuple[str, ...] = ()
    context: str | None = None
    reference: str | None = None
    recorded: tuple[str, ...] | None = None
    cluster: str = ""
    source_model: str | None = None

    @property
    def n_turns(self) -> int:
        return 1 + len(self.followups)

    @cached_property
    def document(self) -> dict[str, Any]:
        """What is asked and judged by, as JSON; neither id nor recorded answers."""
        return {
            "messages": [{"role": each.role, "content": each.text} for each in self.opening],
            "followups": list(self.followups),
            "context": self.context,
            "reference": self.reference,
        }

    @cached_property
    def prompt_hash(self) -> bytes:
        """SHA-256 (32 bytes) over what a model is asked."""
        asked = [self.document["messages"], self.document["followups"]]
        return digest_of(asked)

    def conversation(self, answers: tuple[str, ...]) -> tuple[Message, ...]:
        """All turns up to the user message that comes after `answers`; there is one more than of these."""
        turns = list(self.opening)
        for answer, followup in zip(answers, self.followups[: len(answers)], strict=True):
            turns += [Message("assistant", answer), Message("user", followup)]
        return tuple(turns)


def digest_of(value: object) -> bytes:
    """SHA-256 (32 bytes) of a JSON value, the same for equal values on every run."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).digest()


def dataset_hash(items: tuple[EvalItem, ...]) -> bytes:
    """SHA-256 (32 bytes) over every item, in their order."""
    return digest_of([[each.item_id, each.cluster, each.document, each.recorded] for each in items])
