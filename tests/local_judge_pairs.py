"""Real pairs with people's verdicts, put to the local judge in both orders, and what its calibration says."""

import json
import lzma
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from evaluators.calibration.calibrate import Calibration, calibrate
from evaluators.calibration.labelled import LabelledCall, Rating, majority
from evaluators.judging.client import open_client
from evaluators.judging.comparing import ask_pair
from evaluators.judging.items import Message
from evaluators.judging.judge import JudgeSpec
from evaluators.judging.pairwise import PairItem, PairJudge
from evaluators.judging.rubrics import shipped_rubrics
from evaluators.judging.win_rates import Choice, settle
from evaluators.statistics.estimate import Estimate
from evaluators.statistics.weighted import weighted_rate
from orchestration.local_judge import LocalJudge

AT = datetime(2026, 1, 1, tzinfo=UTC)
CHOICES: dict[int | None, Choice] = {1: "first", -1: "second", 0: "tie"}
MOST_BYTES = 6_000
"""Of both answers together: the model reads some 350 tokens a second."""


@dataclass(frozen=True, slots=True)
class HumanPair:
    """A prompt, two answers and people's votes (a, b, tie); `cluster` is the prompt."""

    id: str
    cluster: str
    prompt: str
    answers: tuple[str, str]
    votes: tuple[str, ...]


def pandalm_pairs(data: Path) -> list[HumanPair]:
    with lzma.open(data / "pandalm_testset.jsonl.xz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    names = {0: "tie", 1: "a", 2: "b"}
    return [
        HumanPair(
            id=f"pandalm-{row['idx']}",
            cluster=f"{row['instruction']}\n{row['input']}",
            prompt=f"{row['instruction']}\n\n{row['input']}".strip(),
            # A few answers of the set are bare JSON values.
            answers=(str(row["response1"]), str(row["response2"])),
            votes=tuple(names[row[f"annotator{number}"]] for number in (1, 2, 3)),
        )
        for row in rows
    ]


def mtbench_pairs(data: Path) -> list[HumanPair]:
    """First turns with at least one expert's vote."""
    with lzma.open(data / "mtbench_answers.jsonl.xz", "rt", encoding="utf-8") as lines:
        answers = {(row["question_id"], row["model"]): row for row in map(json.loads, lines)}
    votes: dict[tuple[int, str, str], list[str]] = defaultdict(list)
    for line in (data / "mtbench_human.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["turn"] == 1 and row["judge"].startswith("expert"):
            said = {"model_a": "a", "model_b": "b"}.get(row["winner"], "tie")
            votes[row["question_id"], row["model_a"], row["model_b"]].append(said)
    return [
        HumanPair(
            id=f"mtbench-{question}-{a}-{b}",
            cluster=str(question),
            prompt=answers[question, a]["prompts"][0],
            answers=(answers[question, a]["responses"][0], answers[question, b]["responses"][0]),
            votes=tuple(said),
        )
        for (question, a, b), said in votes.items()
        if (question, a) in answers and (question, b) in answers
    ]


def sample(pairs: Sequence[HumanPair], *, per_class: int, seed: int = 1) -> list[HumanPair]:
    """As many short pairs of each decided class, so that no class is too small to calibrate on."""
    by_class: dict[str, list[HumanPair]] = defaultdict(list)
    for pair in pairs:
        winner = majority(pair.votes)
        if winner and all(pair.answers) and sum(len(text.encode()) for text in pair.answers) <= MOST_BYTES:
            by_class[winner].append(pair)
    order = random.Random(seed)
    return [each for name in sorted(by_class) for each in order.sample(by_class[name], per_class)]


def judge_of(local: LocalJudge) -> PairJudge:
    return PairJudge(
        JudgeSpec(
            rubric=shipped_rubrics()["helpfulness"],
            model=local.model,
            max_tokens=200,
            output="json_object_schema",
            base_url_ref="local",
            max_input_bytes=16_000,
        )
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What the judge chose in both orders; None where its text was no verdict."""

    id: str
    candidate_first: Choice | None
    baseline_first: Choice | None


async def ask_all(local: LocalJudge, pairs: Sequence[HumanPair]) -> list[Asked]:
    """The judge's choices, one question at a time."""
    judge = judge_of(local)
    asked: list[Asked] = []
    async with open_client(base_url=local.base_url, api_key=None) as client:
        for pair in pairs:
            item = PairItem(pair.id, AT, (Message("user", pair.prompt),), *pair.answers)
            one = await ask_pair(client, judge, item)
            other = await ask_pair(client, judge, item.swapped)
            asked.append(Asked(pair.id, CHOICES.get(one.value), CHOICES.get(other.value)))
    return asked


def calibrated(pairs: Sequence[HumanPair], asked: Sequence[Asked]) -> tuple[Calibration, Estimate]:
    """The calibration against people, and how often the first place won in both orders."""
    names = {"candidate": "a", "baseline": "b", "tie": "tie", None: None}
    settled = [settle(each.candidate_first, each.baseline_first) for each in asked]
    calls = [
        LabelledCall(
            call_id=pair.id,
            cluster=pair.cluster,
            ratings=tuple(Rating(str(number), vote) for number, vote in enumerate(pair.votes)),
            verdict=names[each.winner],
        )
        for pair, each in zip(pairs, settled, strict=True)
    ]
    judged = [each for each in settled if each.winner is not None]
    flips = weighted_rate(np.asarray([each.is_flip for each in judged]))
    first = weighted_rate(np.asarray([each.preferred_place == "first" for each in judged]))
    lost = weighted_rate(np.asarray([each.winner is None for each in settled]))
    return calibrate(calls, parse_errors=lost, flips=flips), first
