"""The building blocks against M-IFEval's checker, and the finders of personal data and language by label.

Every set is split by the hash of what must not stand on both sides: the prompt, the template. What is tuned
is tuned on the half `tune`; the half `held` is reported.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import polars as pl

from evaluators.rules.language import are_alike, detect, obvious, sample
from evaluators.rules.personal_data import find_personal_data
from evaluators.rules.prepare import prepare
from evaluators.rules.written.definition import read_definition
from evaluators.rules.written.rule import written_rule
from tests.evaluators import rules_data as real

Half = Literal["tune", "held", "all"]


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer, the instruction it was given, and whether M-IFEval's checker says it was followed."""

    instruction: str
    arguments: dict[str, Any]
    answer: real.Answer
    followed: bool


def half_of(key: str) -> Half:
    """The side that a prompt or template stands on."""
    return "held" if sha256(key.encode()).digest()[0] % 2 else "tune"


def labelled_instructions(data: Path, *, half: Half) -> list[Labelled]:
    """Every pair of answer and instruction, of the prompts of one half."""
    arguments = {
        row["prompt"]: list(zip(row["instruction_id_list"], row["kwargs"], strict=True))
        for row in real.rows(data / "m_ifeval_prompts.jsonl.xz")
    }
    found: list[Labelled] = []
    for row in real.rows(data / "m_ifeval_dev.jsonl.xz"):
        given = arguments.get(row["prompt"])
        if given is None or half not in ("all", half_of(row["prompt"])):
            continue
        answer = real.Answer(prompt=row["prompt"], text=row["response"], followed={})
        # By place: a prompt may hold one instruction twice ("20 to 25 sentences").
        assert [name for name, _ in given] == row["instruction_id_list"]
        found += [
            Labelled(name, kwargs or {}, answer, followed)
            for (name, kwargs), followed in zip(given, row["strict"], strict=True)
        ]
    return found


def verdicts(labelled: Iterable[Labelled]) -> list[tuple[Labelled, bool | None]]:
    """What the building block says of each: failed, passed, or None where it leaves it unscored."""
    groups: dict[str, list[Labelled]] = defaultdict(list)
    for each in labelled:
        groups[json.dumps([each.instruction, each.arguments], sort_keys=True)].append(each)
    judged: list[tuple[Labelled, bool | None]] = []
    for group in groups.values():
        given = {"id": "x", "instruction": group[0].instruction, "arguments": _arguments(group[0])}
        rule = written_rule(read_definition(given))
        failed = rule.check(prepare(real.calls([each.answer for each in group])))["failed"]
        judged += zip(group, failed.to_list(), strict=True)
    return judged


def by_instruction(data: Path, *, half: Half) -> dict[str, real.Tally]:
    """A tally per instruction id; a hit is an answer that did not follow and fails."""
    pairs: dict[str, list[tuple[bool, bool | None]]] = defaultdict(list)
    for each, failed in verdicts(labelled_instructions(data, half=half)):
        if not real.is_unpassable(each.arguments):
            pairs[each.instruction].append((not each.followed, failed))
    return {
        name: real.tally([bad for bad, _ in found], [failed for _, failed in found])
        for name, found in sorted(pairs.items())
    }


def span_tallies(data: Path, *, half: Half) -> dict[str, real.Tally]:
    """Spans of personal data by kind: found where marked, marked and not found, found where nothing is."""
    texts = json.loads((data / "pii_synth_v2.json").read_text(encoding="utf-8"))
    counts = {kind: [0, 0, 0] for kind in real.PII_KINDS.values()}
    for row in texts:
        if half not in ("all", half_of(str(row["template_id"]))):
            continue
        found = list(find_personal_data(row["full_text"]))
        for label, kind in real.PII_KINDS.items():
            marked = [span["entity_value"] for span in row["spans"] if span["entity_type"] == label]
            values = [text for name, text in found if name == kind]
            missed = [each for each in marked if not any(_overlap(each, value) for value in values)]
            wrong = [value for value in values if not any(_overlap(each, value) for each in marked)]
            counts[kind][0] += len(marked) - len(missed)
            counts[kind][1] += len(wrong)
            counts[kind][2] += len(missed)
    return {
        kind: real.Tally(hits=hits, false_alarms=wrong, misses=missed)
        for kind, (hits, wrong, missed) in counts.items()
    }


def language_counts(data: Path, *, half: Half) -> dict[str, tuple[int, int]]:
    """Answers to prompts of a language that asks for no other one: (told right, all), by language."""
    texts: dict[str, list[str]] = defaultdict(list)
    for each in labelled_instructions(data, half=half):
        if each.instruction.endswith(("_capital", "_lowercase")) and each.followed:
            texts[each.instruction.split(":")[0]].append(each.answer.text or "")
    return {code: (sum(map(_is(code), found)), len(found)) for code, found in sorted(texts.items())}


def _is(code: str) -> Callable[[str], bool]:
    def told(text: str) -> bool:
        prose = pl.DataFrame({"text": [text]}).select(prose=sample(pl.col("text")))
        known: str | None = prose.select(obvious(pl.col("prose"))).item()
        return are_alike(known or detect(prose.item())[0], code)

    return told


def _arguments(each: Labelled) -> dict[str, Any]:
    return {name: value for name, value in each.arguments.items() if value is not None}


def _overlap(one: str, other: str) -> bool:
    ours, theirs = ("".join(sign for sign in text if sign.isalnum()) for text in (one, other))
    return ours in theirs or theirs in ours
