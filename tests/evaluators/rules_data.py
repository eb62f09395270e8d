"""Real answers with labels, as frames of calls, and how the rules do on them."""

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from evaluators.rules.catalogue import RULES
from evaluators.rules.pii import find_pii
from evaluators.rules.prepare import prepare

# The checker of M-IFEval compares langdetect's `zh-cn` with `zh`: no answer in Chinese ever passes it.
UNPASSABLE = {"zh"}
PII_KINDS = {"EMAIL_ADDRESS": "e-mail", "PHONE_NUMBER": "phone", "CREDIT_CARD": "card", "IBAN_CODE": "IBAN"}


@dataclass(frozen=True, slots=True)
class Answer:
    prompt: str
    text: str | None
    followed: dict[str, bool]
    languages: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Tally:
    """Verdicts of one rule against labels; `unscored_bad` are failures that the rule left unscored."""

    hits: int = 0
    false_alarms: int = 0
    misses: int = 0
    passes: int = 0
    unscored: int = 0
    unscored_bad: int = 0

    @property
    def precision(self) -> float:
        return self.hits / max(1, self.hits + self.false_alarms)

    @property
    def recall(self) -> float:
        """Of all labelled failures, those found: an unscored one counts as missed."""
        return self.hits / max(1, self.hits + self.misses + self.unscored_bad)

    @property
    def n(self) -> int:
        return self.hits + self.false_alarms + self.misses + self.passes + self.unscored


def tally(bad: list[bool], failed: list[bool | None]) -> Tally:
    """Count verdicts (null is unscored) against what is bad in truth."""
    pairs = list(zip(bad, failed, strict=True))
    return Tally(
        hits=pairs.count((True, True)),
        false_alarms=pairs.count((False, True)),
        misses=pairs.count((True, False)),
        passes=pairs.count((False, False)),
        unscored=pairs.count((True, None)) + pairs.count((False, None)),
        unscored_bad=pairs.count((True, None)),
    )


def ifeval_answers(data: Path) -> list[Answer]:
    """M-IFEval answers, with whether each instruction was followed and the languages asked for."""
    asked = {row["prompt"]: row for row in rows(data / "m_ifeval_prompts.jsonl.xz")}
    return [
        Answer(
            prompt=row["prompt"],
            text=row["response"],
            followed={
                name.split(":", 1)[1]: ok
                for name, ok in zip(row["instruction_id_list"], row["strict"], strict=True)
            },
            languages=frozenset(
                argument["language"]
                for argument in asked.get(row["prompt"], {}).get("kwargs") or []
                if argument and argument.get("language")
            ),
        )
        for row in rows(data / "m_ifeval_dev.jsonl.xz")
    ]


def mtbench_answers(data: Path) -> list[Answer]:
    """Both turns of every MT-Bench answer."""
    return [
        Answer(prompt=prompt, text=text, followed={})
        for row in rows(data / "mtbench_answers.jsonl.xz")
        for prompt, text in zip(row["prompts"], row["responses"], strict=True)
    ]


def calls(answers: list[Answer]) -> pl.DataFrame:
    """Answers as calls that went well, with their texts and a request that asks for no format."""
    return pl.DataFrame(
        {
            "call_id": [str(number) for number in range(len(answers))],
            "started_at": [datetime(2026, 11, 2, tzinfo=UTC)] * len(answers),
            "status": ["ok"] * len(answers),
            "http_status": [200] * len(answers),
            "finish_reason": ["stop"] * len(answers),
            "latency_ms": [1000.0] * len(answers),
            "body_state": ["full"] * len(answers),
            "input_text": [answer.prompt for answer in answers],
            "output_text": [answer.text for answer in answers],
            "request": [b"{}"] * len(answers),
        }
    )


def verdicts(name: str, answers: list[Answer]) -> pl.DataFrame:
    """What the named rule says of each answer."""
    rule = next(rule for rule in RULES if rule.name == name)
    return rule.check(prepare(calls(answers)))


def is_unpassable(arguments: dict[str, Any]) -> bool:
    """Whether M-IFEval's checker fails every answer to an instruction with these arguments."""
    return arguments.get("language") in UNPASSABLE


def judged_by_instruction(name: str, answers: list[Answer], *, instruction: str) -> Tally:
    """A rule against the label of one M-IFEval instruction."""
    labelled = [
        answer for answer in answers if instruction in answer.followed and not answer.languages & UNPASSABLE
    ]
    bad = [not answer.followed[instruction] for answer in labelled]
    return tally(bad, verdicts(name, labelled)["failed"].to_list())


def judged_empty(answers: list[Answer]) -> Tally:
    """`empty_answer` against Python's notion of a blank."""
    bad = [not (answer.text or "").strip() for answer in answers]
    return tally(bad, verdicts("empty_answer", answers)["failed"].to_list())


def judged_loops(answers: list[Answer]) -> Tally:
    """`repetition_loop` against the plain measure: more than half of at least 40 4-grams of words repeat."""
    bad = [_is_plain_loop(answer.text or "") for answer in answers]
    return tally(bad, verdicts("repetition_loop", answers)["failed"].to_list())


def judged_pii(data: Path) -> dict[str, Tally]:
    """Each kind of personal data over the synthetic texts: found in a text that holds it, or not."""
    synthetic = json.loads((data / "pii_synth_v2.json").read_text(encoding="utf-8"))
    found = [{kind for kind, _ in find_pii(row["full_text"])} for row in synthetic]
    held = [{span["entity_type"] for span in row["spans"]} for row in synthetic]
    tallies = {
        kind: tally([label in spans for spans in held], [kind in kinds for kinds in found])
        for label, kind in PII_KINDS.items()
    }
    texts = [Answer(prompt="Write a text.", text=row["full_text"], followed={}) for row in synthetic]
    failed = verdicts("pii", texts)["failed"].to_list()
    return tallies | {
        "any of them": tally([not PII_KINDS.keys().isdisjoint(spans) for spans in held], failed)
    }


def _is_plain_loop(text: str) -> bool:
    words = text.split()
    grams = list(zip(words, words[1:], words[2:], words[3:], strict=False))
    return len(grams) >= 40 and 1 - len(set(grams)) / len(grams) > 0.5


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a packed file of JSON Lines."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)
