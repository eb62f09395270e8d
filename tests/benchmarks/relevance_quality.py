"""The rule `answer_relevance` on real answers, the figures of docs/evaluation.md.

    python tests/benchmarks/relevance_quality.py [DATA_FOLDER]

A bad answer is a good one to another prompt of the same set and language. Thresholds are chosen on the tuning
half of the prompts (by hash) and shown for the held one.
"""

import argparse
import json
import lzma
import random
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from evaluators.meaning.embedding import load_embedder

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
THRESHOLDS = (0.78, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85)


@dataclass(frozen=True, slots=True)
class Case:
    set: str
    prompt: str
    answer: str
    is_other: bool

    @property
    def is_held(self) -> bool:
        return sha256(self.prompt.encode()).digest()[0] % 2 == 1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--per-set", type=int, default=300)
    given = parser.parse_args()
    model = load_embedder()
    cases = read_cases(given.data, per_set=given.per_set)
    started = time.perf_counter()
    questions = model.questions([case.prompt for case in cases])
    passages = model.passages([case.answer for case in cases])
    seconds = time.perf_counter() - started
    cosines = (questions * passages).sum(axis=1)
    print(f"{model.name}: {len(cases) / seconds:.0f} calls/s (two texts each)")
    print(
        "| set | half | n | AUC | " + " | ".join(f"{each:.2f}: alarms, found" for each in THRESHOLDS) + " |"
    )
    for name in [*sorted({case.set for case in cases}), "all"]:
        for is_held in (False, True):
            chosen = [
                n for n, case in enumerate(cases) if case.is_held == is_held and name in (case.set, "all")
            ]
            bad = np.asarray([cases[n].is_other for n in chosen])
            show(name, "held" if is_held else "tuning", cosines[chosen], bad)


def show(name: str, half: str, cosines: np.ndarray, bad: np.ndarray) -> None:
    good_ones, bad_ones = cosines[~bad], cosines[bad]
    auc = (good_ones[:, None] > bad_ones[None, :]).mean()
    rates = [f"{(good_ones < each).mean():.3f}, {(bad_ones < each).mean():.3f}" for each in THRESHOLDS]
    print(f"| {name} | {half} | {len(bad)} | {auc:.3f} | {' | '.join(rates)} |")


def read_cases(data: Path, *, per_set: int) -> list[Case]:
    answers: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in _rows(data / "mtbench_answers.jsonl.xz"):
        answers["MT-Bench"].append((row["prompts"][0], row["responses"][0]))
    for row in _rows(data / "m_ifeval_dev.jsonl.xz"):
        answers[f"M-IFEval {row['lang']}"].append((row["prompt"], row["response"] or ""))
    order = random.Random(1)
    cases: list[Case] = []
    for name, rows in answers.items():
        told = [row for row in rows if len(row[0]) > 40 and len(row[1]) > 60]
        for prompt, answer in order.sample(told, min(per_set, len(told))):
            cases.append(Case(name, prompt, answer, is_other=False))
            others = [row[1] for row in order.sample(told, 5) if row[0] != prompt]
            cases.append(Case(name, prompt, others[0], is_other=True))
    return cases


def _rows(path: Path) -> list[dict[str, Any]]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


if __name__ == "__main__":
    main()
