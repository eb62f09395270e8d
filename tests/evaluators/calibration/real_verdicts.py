"""Verdicts of people and judges on real pairs: MT-Bench (Zheng et al. 2023), PandaLM (Wang et al. 2023)."""

import json
import lzma
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.calibration.labelled import LabelledCall, Rating, majority
from evaluators.calibration.probes import JudgedPair, Winner
from evaluators.statistics.agreement import Agreement, agreement

Key = tuple[int, int, str, str]


@dataclass(frozen=True, slots=True)
class Vote:
    """One verdict on a pair, its models in alphabetical order; `is_flip`: the judge's orders disagree."""

    question: int
    turn: int
    model_a: str
    model_b: str
    judge: str
    winner: Winner
    is_flip: bool

    @property
    def key(self) -> Key:
        return self.question, self.turn, self.model_a, self.model_b


@dataclass(frozen=True, slots=True)
class PandaPair:
    """A pair with three annotators' and two judges' verdicts: "0" is a tie, else "1", "2" or unparseable."""

    number: int
    prompt: str
    first: str
    second: str
    annotators: tuple[str, str, str]
    verdicts: dict[str, str]
    reasons: dict[str, str]


def mtbench_people(data: Path, *, only_experts: bool = True) -> list[Vote]:
    """Votes of people; the paper's figures count the experts, not its six authors."""
    votes = _votes(data / "mtbench_human.jsonl")
    return [vote for vote in votes if vote.judge.startswith("expert") or not only_experts]


def mtbench_judge(data: Path) -> list[Vote]:
    """GPT-4's verdicts, both orders settled."""
    return _votes(data / "mtbench_gpt4_pair.jsonl")


def with_experts(data: Path, *, turn: int, with_ties: bool) -> Agreement:
    """GPT-4's verdict beside each expert's vote on the same pair; clusters are the questions."""
    judge = {vote.key: vote for vote in mtbench_judge(data)}
    found = [
        (judge[vote.key].winner, vote.winner, vote.question)
        for vote in mtbench_people(data)
        if vote.turn == turn and vote.key in judge
    ]
    return _agreement(found, with_ties=with_ties)


def among_experts(data: Path, *, turn: int, with_ties: bool) -> Agreement:
    """Every two experts' votes on the same pair."""
    by_pair: dict[Key, list[Vote]] = defaultdict(list)
    for vote in mtbench_people(data):
        if vote.turn == turn:
            by_pair[vote.key].append(vote)
    found = [
        (one.winner, two.winner, one.question)
        for votes in by_pair.values()
        for one, two in combinations(votes, 2)
    ]
    return _agreement(found, with_ties=with_ties)


def mtbench_calls(data: Path, *, only_experts: bool = False) -> list[LabelledCall]:
    """Each judged pair with people's votes, as labelled calls whose categories are the winners.

    People who are split have found a tie.
    """
    ratings: dict[Key, list[Rating]] = defaultdict(list)
    for number, vote in enumerate(mtbench_people(data, only_experts=only_experts)):
        # Some people voted twice on a pair; each vote counts.
        ratings[vote.key].append(Rating(f"{vote.judge}#{number}", vote.winner))
    return [
        LabelledCall(
            call_id="/".join(map(str, vote.key)),
            cluster=str(vote.question),
            ratings=tuple(ratings[vote.key]),
            verdict=vote.winner,
            split="tie",
        )
        for vote in mtbench_judge(data)
        if vote.key in ratings
    ]


def mtbench_pairs(data: Path) -> list[JudgedPair]:
    """Every pair that GPT-4 judged, with people's majority and the lengths of both answers.

    The answers of vicuna-13b-v1.2 are not among the data.
    """
    people: dict[Key, list[str]] = defaultdict(list)
    for vote in mtbench_people(data, only_experts=False):
        people[vote.key].append(vote.winner)
    lengths = _lengths(data)
    return [
        JudgedPair(
            model_a=vote.model_a,
            model_b=vote.model_b,
            cluster=str(vote.question),
            judge=vote.winner,
            human=_winner(majority(people[vote.key]) if people[vote.key] else None),
            is_flip=vote.is_flip,
            length_a=lengths.get((vote.question, vote.model_a, vote.turn), 0),
            length_b=lengths.get((vote.question, vote.model_b, vote.turn), 0),
        )
        for vote in mtbench_judge(data)
    ]


def panda_pairs(data: Path) -> list[PandaPair]:
    """PandaLM's test set in its order; a few answers stand there as JSON's true, as they read "True"."""
    with lzma.open(data / "pandalm_testset.jsonl.xz", "rt", encoding="utf-8") as lines:
        return [_panda_pair(json.loads(line)) for line in lines]


def panda_calls(pairs: Sequence[PandaPair], verdicts: Sequence[str | None]) -> list[LabelledCall]:
    """The pairs as labelled calls of a judge; None is no verdict. Clusters are the instructions."""
    return [
        LabelledCall(
            call_id=str(pair.number),
            cluster=pair.prompt,
            ratings=tuple(Rating(f"annotator{i}", said) for i, said in enumerate(pair.annotators, start=1)),
            verdict=verdict,
        )
        for pair, verdict in zip(pairs, verdicts, strict=True)
    ]


def _votes(path: Path) -> list[Vote]:
    with path.open(encoding="utf-8") as lines:
        return [_vote(json.loads(line)) for line in lines]


def _vote(row: dict[str, Any]) -> Vote:
    winner, one, two = row["winner"], row["model_a"], row["model_b"]
    is_swapped = one > two
    said: Winner = "tie" if "tie" in winner else "b" if (winner == "model_b") != is_swapped else "a"
    return Vote(
        question=row["question_id"],
        turn=row["turn"],
        model_a=min(one, two),
        model_b=max(one, two),
        judge=row["judge"],
        winner=said,
        is_flip=winner == "tie (inconsistent)",
    )


def _agreement(found: Sequence[tuple[str, str, int]], *, with_ties: bool) -> Agreement:
    kept = [row for row in found if with_ties or "tie" not in row[:2]]
    one, two, clusters = (np.asarray([row[i] for row in kept]) for i in range(3))
    return agreement(one, two, clusters=clusters)


def _winner(said: str | None) -> Winner | None:
    return "a" if said == "a" else "b" if said == "b" else "tie" if said == "tie" else None


def _lengths(data: Path) -> dict[tuple[int, str, int], int]:
    with lzma.open(data / "mtbench_answers.jsonl.xz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return {
        (row["question_id"], row["model"], turn): len(text)
        for row in rows
        for turn, text in enumerate(row["responses"], start=1)
    }


def _panda_pair(row: dict[str, Any]) -> PandaPair:
    return PandaPair(
        number=row["idx"],
        prompt=f"{row['instruction']}\n{row['input']}",
        first=str(row["response1"]),
        second=str(row["response2"]),
        annotators=tuple(str(row[f"annotator{i}"]) for i in (1, 2, 3)),  # type: ignore[arg-type]
        verdicts={
            "gpt-3.5": {"Tie": "0"}.get(row["gpt35_verdict"], str(row["gpt35_verdict"])),
            "PandaLM-7B": str(row["pandalm_verdict"]),
        },
        reasons={"gpt-3.5": row["gpt35_reason"] or "", "PandaLM-7B": row["pandalm_reason"] or ""},
    )
