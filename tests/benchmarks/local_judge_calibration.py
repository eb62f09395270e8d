"""The local judge against people, the figures of docs/evaluation.md: a judge that the gate must refuse.

    python tests/benchmarks/local_judge_calibration.py [DATA_FOLDER] [--per-class 40]

Needs the extra `local-judge`.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluators.statistics.estimate import Estimate
from orchestration.local_judge import serving
from tests.local_judge_pairs import ask_all, calibrated, mtbench_pairs, pandalm_pairs, sample

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
COLUMNS = ("pairs", "n", "agreement", "kappa", "people's alpha", "flips", "first place wins both", "unparsed")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--per-class", type=int, default=40)
    given = parser.parse_args()
    print("|", " | ".join((*COLUMNS, "state", "s")), "|")
    print("|" + "---|" * (len(COLUMNS) + 2))
    with serving() as local:
        for name, read in (("PandaLM", pandalm_pairs), ("MT-Bench, turn 1", mtbench_pairs)):
            pairs = sample(read(given.data), per_class=given.per_class)
            started = time.perf_counter()
            asked = asyncio.run(ask_all(local, pairs))
            seconds = time.perf_counter() - started
            found, first = calibrated(pairs, asked)
            agreement = found.agreement
            figures = (agreement.raw, agreement.kappa, found.human, found.flips, first, found.parse_errors)
            shown = " | ".join(map(as_text, figures))
            print(f"| {name} | {len(pairs)} | {shown} | {found.standing.state} | {seconds:.0f} |", flush=True)
            print(*found.standing.reasons, sep="\n", flush=True)


def as_text(figure: Estimate) -> str:
    return f"{figure.value:.3f} ({figure.low:.2f} to {figure.high:.2f})"


if __name__ == "__main__":
    main()
