"""Precision and recall of the rules on real answers, the figures of docs/real-data-rules.md.

    python tests/benchmarks/rules_quality.py [DATA_FOLDER] [--fired RULE]

With `--fired`, prints every answer that the rule fails, for reading.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluators.rules.catalogue import RULES
from evaluators.statistics.wilson import wilson_interval
from tests.evaluators import rules_data as real
from tests.evaluators.refusal_labels import judged_refusals

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--fired", choices=[rule.name for rule in RULES])
    given = parser.parse_args()
    answers = real.ifeval_answers(given.data) + real.mtbench_answers(given.data)
    if given.fired:
        print_fired(given.fired, answers=answers)
        return
    print_tallies(given.data, answers=answers)
    print_counts(answers)


def print_tallies(data: Path, *, answers: list[real.Answer]) -> None:
    tallies = {
        "invalid_json": real.judged_by_instruction(
            "invalid_json", answers, instruction="detectable_format:json_format"
        ),
        "language_mismatch": real.judged_by_instruction(
            "language_mismatch", answers, instruction="language:response_language"
        ),
        "empty_answer": real.judged_empty(answers),
        "repetition_loop": real.judged_loops(answers),
        "refusal": judged_refusals(answers),
    } | {f"pii: {kind}": tally for kind, tally in real.judged_pii(data).items()}
    print("| rule | n | hits | false alarms | misses | unscored (bad) | precision | recall |")
    print("|---|---|---|---|---|---|---|---|")
    for name, tally in tallies.items():
        low, high = wilson_interval(tally.hits, tally.hits + tally.misses + tally.unscored_bad)
        counts = f"{tally.n} | {tally.hits} | {tally.false_alarms} | {tally.misses}"
        print(
            f"| {name} | {counts} | {tally.unscored} ({tally.unscored_bad}) | {tally.precision:.3f} "
            f"| {tally.recall:.3f} ({low:.2f}–{high:.2f}) |"
        )


def print_counts(answers: list[real.Answer]) -> None:
    print("\n| rule | failed | passed | unscored |\n|---|---|---|---|")
    for rule in RULES:
        failed = real.verdicts(rule.name, answers)["failed"]
        print(f"| {rule.name} | {failed.sum()} | {(~failed).sum()} | {failed.null_count()} |")


def print_fired(name: str, *, answers: list[real.Answer]) -> None:
    found = real.verdicts(name, answers)["evidence"].to_list()
    for number, (answer, evidence) in enumerate(zip(answers, found, strict=True)):
        if evidence is not None:
            print(f"{number}\t{evidence}\t{answer.prompt[:100]!r}\t{(answer.text or '')[:200]!r}")


if __name__ == "__main__":
    main()
