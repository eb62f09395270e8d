"""All rules over real calls against Evidently's own text descriptors on the same frame.

    python tests/benchmarks/bench_rules.py [--rows N] [--peer-rows N] [--runs N] [--data DIR]

The calls are the answers of M-IFEval and MT-Bench, repeated to N rows; each copy ends in a line of its own,
so that nothing is remembered between copies. Ours: twelve rules, from the frame to the result frame.
Evidently: its own offline descriptors that come nearest, on fewer of the same rows, as its time is linear
in them (two sizes of `--peer-rows` show it): text length (empty), valid JSON, refusal phrases, exact match
(echo), word count (loops), sentence count (cut off), share of letters (language) and regular expressions for
personal data and credentials; once simple ones, once those of our rules. It has nothing for schemas, and no
measure of repeats or of language.
Medians of runs that take turns; processor time beside the clock, for machines that do other work meanwhile.
The peak memory is that of our part, before Evidently is imported.
"""

import argparse
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluators.rules.personal_data import CARD, EMAIL, IBAN, PHONES, RESIDENT
from evaluators.rules.score import score_frame
from evaluators.rules.secret_leak import SECRET
from tests.evaluators import rules_data as real

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
REFUSALS = [
    *("i'm sorry, but i", "i cannot", "i can't", "i am unable", "i'm unable", "as an ai language model"),
    *("i'm not able to", "죄송하지만", "할 수 없습니다", "申し訳ありません", "lo siento", "je suis désolé"),
]
SIMPLE_PATTERNS = [
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z]{2,}",
    r"(?:\+\d{1,3}[ .-]?)?\(?\d{2,4}\)?[ .-]\d{3,4}[ .-]\d{4}",
    r"\d(?:[ -]?\d){12,18}",
    r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}",
    r"\d{6}-[1-8]\d{6}",
    r"sk-[A-Za-z0-9-]{32,}|AIza[\w-]{35}|AKIA[A-Z0-9]{16}|gh[pousr]_\w{36}|xox[abprs]-[\w-]{20,}",
]
OWN_PATTERNS = [pattern.pattern for pattern in (EMAIL, *PHONES, CARD, IBAN, RESIDENT, SECRET)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--peer-rows", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    frame = real_calls(given.data, rows=given.rows)
    print(f"{frame.height:,} calls, {frame['output_text'].str.len_bytes().sum() / 1e6:.0f} MB of answers")
    seconds([lambda: score_frame(frame)], runs=1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peer_frame = frame.sample(min(given.peer_rows, frame.height), seed=1)
    jobs = [
        lambda: score_frame(frame),
        evidently(peer_frame, patterns=SIMPLE_PATTERNS),
        evidently(peer_frame, patterns=OWN_PATTERNS),
    ]
    ours, simple, own = seconds(jobs, runs=given.runs)
    print(f"peak memory of our part: {peak:,.0f} MB")
    for clock, (mine, *others) in zip(
        ("clock", "processor"), zip(ours, simple, own, strict=True), strict=True
    ):
        rate, *peers = frame.height / mine, *(peer_frame.height / other for other in others)
        print(f"calls/s by the {clock}: ours {rate:,.0f}")
        for patterns, peer in zip(("simple", "our"), peers, strict=True):
            print(f"  Evidently, {patterns} patterns: {peer:,.0f}, ratio {rate / peer:.1f}")


def real_calls(data: Path, *, rows: int) -> pl.DataFrame:
    """Real answers as calls, repeated to `rows`, each copy marked at its end."""
    calls = real.calls(real.ifeval_answers(data) + real.mtbench_answers(data))
    copies = [
        calls.with_columns(
            (pl.col("call_id") + f"-{copy}").alias("call_id"),
            (pl.col("input_text") + f"\n({copy})").alias("input_text"),
            (pl.col("output_text") + f"\n({copy})").alias("output_text"),
        )
        for copy in range(-(-rows // calls.height))
    ]
    return pl.concat(copies).head(rows).rechunk()


def evidently(frame: pl.DataFrame, *, patterns: list[str]) -> Callable[[], object]:
    """A run of Evidently's descriptors over the frame (no null, no empty texts)."""
    warnings.simplefilter("ignore")
    from evidently import Dataset
    from evidently.descriptors import (
        Contains,
        ExactMatch,
        IsValidJSON,
        NonLetterCharacterPercentage,
        RegExp,
        SentenceCount,
        TextLength,
        WordCount,
    )

    texts = frame.select("input_text", pl.col("output_text").fill_null("").replace("", "-")).to_pandas()

    def run() -> object:
        dataset = Dataset.from_pandas(texts)
        dataset.add_descriptors(
            [
                TextLength("output_text", alias="length"),
                IsValidJSON("output_text", alias="json"),
                Contains("output_text", items=REFUSALS, case_sensitive=False, alias="refusal"),
                WordCount("output_text", alias="words"),
                SentenceCount("output_text", alias="sentences"),
                NonLetterCharacterPercentage("output_text", alias="letters"),
                ExactMatch(columns=["input_text", "output_text"], alias="echo"),
                *(
                    RegExp("output_text", reg_exp=pattern, alias=f"pattern {number}")
                    for number, pattern in enumerate(patterns)
                ),
            ]
        )
        return dataset.as_dataframe()

    return run


def seconds(jobs: list[Callable[[], object]], *, runs: int) -> list[tuple[float, float]]:
    """The median (clock, processor) seconds of each job; the jobs take turns."""
    times: list[list[tuple[float, float]]] = [[] for _ in jobs]
    for _ in range(runs):
        for job, taken in zip(jobs, times, strict=True):
            clock, processor = time.perf_counter(), time.process_time()
            job()
            taken.append((time.perf_counter() - clock, time.process_time() - processor))
    return [
        (statistics.median(pair[0] for pair in taken), statistics.median(pair[1] for pair in taken))
        for taken in times
    ]


if __name__ == "__main__":
    main()
