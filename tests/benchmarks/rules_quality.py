"""Precision and recall of the rules on real answers, the figures of docs/real-data-rules.md.

    python tests/benchmarks/rules_quality.py [DATA_FOLDER] [--fired RULE] [--half held] [--wrong INSTRUCTION]

Without options, the shipped rules over all labels, and the cards of the building blocks, of personal data by
span and of languages over the held half. With `--fired`, prints every answer that the rule fails, for
reading; with `--wrong`, the answers of the half `tune` on which a building block and its label differ.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluators.rules.catalogue import RULES
from evaluators.statistics.wilson import wilson_interval
from tests.evaluators import instruction_data as blocks
from tests.evaluators import rules_data as real
from tests.evaluators.refusal_labels import judged_refusals

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--fired", choices=[rule.name for rule in RULES])
    parser.add_argument("--half", choices=["tune", "held", "all"], default="held")
    parser.add_argument("--wrong", help="an instruction id, such as es:length_constraints:number_sentences")
    given = parser.parse_args()
    if given.wrong:
        print_wrong(given.data, instruction=given.wrong)
        return
    answers = real.ifeval_answers(given.data) + real.mtbench_answers(given.data)
    if given.fired:
        print_fired(given.fired, answers=answers)
        return
    print_tallies(given.data, answers=answers)
    print_counts(answers)
    print_cards(given.data, half=given.half)


def print_cards(data: Path, *, half: blocks.Half) -> None:
    """The scorecards over one half of each labelled set, split by the hash of prompt or template."""
    print(f"\n## Building blocks against M-IFEval, half: {half}\n")
    print("| instruction | n | not followed | agreement | precision | recall | unscored |")
    print("|---|---|---|---|---|---|---|")
    tallies = blocks.by_instruction(data, half=half)
    for name, tally in tallies.items():
        print(f"| {name} | {card(tally)} |")
    print(f"| **all** | {card(total(tallies.values()))} |")
    print(f"\n## Personal data by span, half: {half}\n")
    print("| kind | spans | found | false alarms | precision | recall |\n|---|---|---|---|---|---|")
    for kind, tally in blocks.span_tallies(data, half=half).items():
        low, high = wilson_interval(tally.hits, tally.hits + tally.misses)
        counts = f"{tally.hits + tally.misses} | {tally.hits} | {tally.false_alarms}"
        print(f"| {kind} | {counts} | {tally.precision:.3f} | {tally.recall:.3f} ({low:.2f}–{high:.2f}) |")
    print(f"\n## Languages told, half: {half}\n\n| language | answers | told right |\n|---|---|---|")
    for code, (right, n) in blocks.language_counts(data, half=half).items():
        low, high = wilson_interval(right, n)
        print(f"| {code} | {n} | {right / max(1, n):.3f} ({low:.2f}–{high:.2f}) |")


def card(tally: real.Tally) -> str:
    """n, failures, agreement with its interval, precision and recall of failures, unscored."""
    n_bad = tally.hits + tally.misses + tally.unscored_bad
    n_scored = tally.n - tally.unscored
    low, high = wilson_interval(tally.hits + tally.passes, n_scored)
    agreement = (tally.hits + tally.passes) / max(1, n_scored)
    precision = f"{tally.precision:.3f}" if tally.hits + tally.false_alarms else "–"
    recall = f"{tally.recall:.3f}" if n_bad else "–"
    shown = f"{agreement:.3f} ({low:.2f}–{high:.2f})"
    return f"{tally.n} | {n_bad} | {shown} | {precision} | {recall} | {tally.unscored}"


def total(tallies: Iterable[real.Tally]) -> real.Tally:
    """All tallies as one."""
    return real.Tally(*(sum(column) for column in zip(*(astuple(each) for each in tallies), strict=True)))


def print_wrong(data: Path, *, instruction: str) -> None:
    labelled = [
        each for each in blocks.labelled_instructions(data, half="tune") if each.instruction == instruction
    ]
    for each, failed in blocks.verdicts(labelled):
        if failed is not None and failed is each.followed:
            print(json.dumps([each.followed, each.arguments, each.answer.text], ensure_ascii=False))


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
