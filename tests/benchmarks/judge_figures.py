"""Judges against people on MT-Bench and PandaLM: the figures of docs/evaluation.md, from the rows.

python tests/benchmarks/judge_figures.py [DATA_FOLDER]
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluators.calibration.calibrate import Calibration, calibrate
from evaluators.calibration.labelled import LabelledCall
from evaluators.calibration.probes import (
    JudgedPair,
    Preference,
    flip_rate,
    length_preference,
    score_by_length,
    self_preference,
)
from evaluators.statistics.agreement import Agreement, agreement
from evaluators.statistics.estimate import Estimate
from evaluators.statistics.prediction_powered import prediction_powered
from evaluators.statistics.wilson import wilson
from tests.evaluators.calibration import real_verdicts as real

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
DRAWS = 300
LABELS = 150


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    data = parser.parse_args().data
    print_agreement(data)
    print_gate(data)
    print_probes(real.mtbench_pairs(data))
    print_saving(real.mtbench_pairs(data))


def print_agreement(data: Path) -> None:
    print("| who with whom | raw | kappa | n |\n|---|---|---|---|")
    for turn in (1, 2):
        for with_ties in (True, False):
            ties = "with ties" if with_ties else "without"
            judge = real.with_experts(data, turn=turn, with_ties=with_ties)
            people = real.among_experts(data, turn=turn, with_ties=with_ties)
            print_row(f"GPT-4, expert; turn {turn}, {ties}", judge)
            print_row(f"expert, expert; turn {turn}, {ties}", people)
    pairs = real.panda_pairs(data)
    for one, two in combinations(range(3), 2):
        said = [[pair.annotators[i] for pair in pairs] for i in (one, two)]
        clusters = [pair.prompt for pair in pairs]
        print_row(f"PandaLM annotators {one + 1}, {two + 1}", agreement(*said, clusters=clusters))


def print_gate(data: Path) -> None:
    print("\n| judge | raw | kappa | n | people's alpha | state |\n|---|---|---|---|---|---|")
    calls, pairs = real.mtbench_calls(data), real.mtbench_pairs(data)
    print_calibration("GPT-4 on MT-Bench", calibrate(calls, flips=flip_rate(pairs)))
    panda = real.panda_pairs(data)
    for judge in ("gpt-3.5", "PandaLM-7B"):
        said = [pair.verdicts[judge] if pair.verdicts[judge] in "012" else None for pair in panda]
        errors = wilson(said.count(None), len(said))
        print_calibration(
            f"{judge} on PandaLM", calibrate(real.panda_calls(panda, said), parse_errors=errors)
        )
    random = np.random.default_rng(1)
    coin = random.choice(["a", "b", "tie"], len(calls), p=[0.4, 0.4, 0.2]).tolist()
    print_calibration("a coin on MT-Bench", with_verdicts(calls, coin))
    print_calibration("always the first on MT-Bench", with_verdicts(calls, ["a"] * len(calls)))
    longest = ["1" if len(pair.first) > len(pair.second) else "2" for pair in panda]
    print_calibration("the longest on PandaLM", calibrate(real.panda_calls(panda, longest)))


def print_probes(pairs: Sequence[JudgedPair]) -> None:
    print("\n| probe (GPT-4, MT-Bench) | judge | people on the same pairs | excess |\n|---|---|---|---|")
    print(f"| verdict flips with the order | {share(flip_rate(pairs))} | | |")
    print_preference("the longer answer wins", length_preference(pairs))
    rho = score_by_length(pairs)
    print(f"| Spearman of verdict and length | {ends(rho)}, n {rho.n:,} | | |")
    print_preference("GPT-4's own family wins", self_preference(pairs, judge_model="gpt-4"))


def print_saving(pairs: Sequence[JudgedPair]) -> None:
    """GPT-4's win rate by people, from 150 labels and all verdicts: what the judge's help is worth."""
    points = {"a": 1.0, "b": 0.0, "tie": 0.5}
    with_gpt4 = [p for p in pairs if "gpt-4" in (p.model_a, p.model_b) and p.human and p.judge]
    sides = np.asarray([pair.model_a == "gpt-4" for pair in with_gpt4])
    people, judge = (
        np.where(sides, said, 1 - said)
        for said in (
            np.asarray([points[str(pair.human)] for pair in with_gpt4]),
            np.asarray([points[str(pair.judge)] for pair in with_gpt4]),
        )
    )
    random = np.random.default_rng(1)
    drawn = []
    for _ in range(DRAWS):
        chosen = random.permutation(len(people)) < LABELS
        drawn.append(prediction_powered(judge, np.where(chosen, people, np.nan)))
    alone = float(np.mean([each.labels_only.width for each in drawn]))
    both = float(np.mean([each.corrected.width for each in drawn]))
    saving = float(np.mean([each.label_saving for each in drawn]))
    correlation = np.corrcoef(people, judge)[0, 1]
    correlation = np.corrcoef(people, judge)[0, 1]
    print(f"\nGPT-4's win rate by people, {LABELS} labels of {len(people):,} pairs, {DRAWS} draws:")
    print(f"correlation of judge and people {correlation:.3f}; judge alone {judge.mean():.3f}, ", end="")
    print(
        f"people {people.mean():.3f}; mean width {alone:.3f} by labels alone, {both:.3f} with the judge ",
        end="",
    )
    print(f"(ratio {both / alone:.2f}), labels saved {saving:.0%}")


def with_verdicts(calls: Sequence[LabelledCall], verdicts: Sequence[str]) -> Calibration:
    return calibrate([replace(call, verdict=said) for call, said in zip(calls, verdicts, strict=True)])


def print_row(name: str, found: Agreement) -> None:
    print(f"| {name} | {share(found.raw)} | {ends(found.kappa)} | {found.raw.n:,} |")


def print_calibration(name: str, found: Calibration) -> None:
    why = f": {'; '.join(found.standing.reasons)}" if found.standing.reasons else ""
    kappa, raw = ends(found.agreement.kappa), share(found.agreement.raw)
    human = f"{found.human.value:.3f} (n {found.human.n:,})"
    print(f"| {name} | {raw} | {kappa} | {found.n:,} | {human} | {found.standing.state}{why} |")


def print_preference(name: str, found: Preference) -> None:
    print(
        f"| {name} | {share(found.of_judge)}, n {found.of_judge.n:,} | {share(found.of_people)}, "
        f"n {found.of_people.n:,} | {ends(found.excess)} |"
    )


def share(found: Estimate) -> str:
    return f"{found.value:.1%} ({found.low:.1%}–{found.high:.1%})"


def ends(found: Estimate) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


if __name__ == "__main__":
    main()
