"""How well marts.compare_models() ranks models, against the votes of people on MT-Bench answers.

    python -m tests.benchmarks.model_ranking [--draws N] [--data DIR]

Six models, 80 questions of two turns; every answer has a score by people and one by GPT-4: the share of its
pairs that it won (`tests.dbt_project.mtbench`). The marts rank the models by each, on one mix of prompts and
on the same prompts; the published order is that of the win rates over all votes. Spearman's rho, with a
percentile interval from drawing the 80 questions again, for votes and scores alike; the drawn comparisons are
made in Python (`tests.dbt_project.comparing`), which first has to say the same as the mart.
"""

import argparse
import random
import tempfile
from collections import Counter
from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.statistics.correlation import spearman
from ingest.database.connect import connect
from ingest.settings import Settings
from orchestration.dbt import ensure_manifest, run_dbt
from orchestration.prompts.prompt_templates import mine_window
from orchestration.windows import day_window
from tests.benchmarks.bench_concurrent_windows import database
from tests.benchmarks.real_calls import DATA
from tests.dbt_project import mtbench
from tests.dbt_project.comparing import Score, compare
from tests.dbt_project.marts import records

Rates = dict[str, float]
SCORES = """
select model, prompt_class, language, n_characters, value, evaluator, call_id::text as call_id
from marts.judged_calls
inner join evaluation.prompt_assignments using (started_at, call_id)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=2_000)
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lqo-bench-") as scratch, database(Path(scratch)) as url:
        settings = Settings(home=Path(scratch))
        with connect(url, autocommit=True) as connection:
            connection.execute("select ingest.ensure_month(%s::date)", (mtbench.DAY,))
            with connection.transaction():
                mtbench.load(connection, given.data)
            mine_window(connection, [day_window(mtbench.DAY)])
        ensure_manifest(settings)
        for selector in ("refresh", "day"):
            run_dbt(settings, url, [day_window(mtbench.DAY)], selector=selector)
        with connect(url) as connection:
            report(connection, given.data, draws=given.draws)


def report(connection: Connection[TupleRow], data: Path, *, draws: int) -> None:
    votes = mtbench.votes(data, "human_votes")
    published = mtbench.win_rates(votes)
    calls = {str(call.call_id): answer for answer, call in mtbench.answers(data).items()}
    print(f"{'':20} {'published':>9}")
    for evaluator in mtbench.FILES:
        rows = records(
            connection,
            f"select * from marts.compare_models('{mtbench.DAY}', '{mtbench.DAY}',"
            f" of_evaluator => '{evaluator}') order by standardised desc",
        )
        print(f"by {evaluator}")
        for row in rows:
            print(
                f"  {row['model']:18} {published[row['model']]:9.3f}"
                f" standardised {row['standardised']:.3f} ({row['standardised_low']:.3f} to"
                f" {row['standardised_high']:.3f}) {row['standardised_verdict']};"
                f" {row['n_matched_prompts']} prompts, {row['matched_difference']:+.3f}"
                f" ({row['matched_difference_low']:+.3f} to {row['matched_difference_high']:+.3f})"
                f" {row['matched_verdict']}"
            )
        mart = {row["model"]: row["standardised"] for row in rows}
        scores = [
            (calls[row["call_id"]][0], score(row))
            for row in records(connection, SCORES)
            if row["evaluator"] == evaluator
        ]
        every = Counter({question: 1 for question, _ in scores})
        own = standardised(scores, times=every)
        assert all(abs(own[model] - mart[model]) < 1e-9 for model in mart), (own, mart)
        rho = correlation(mart, published)
        drawn = sorted(draw(scores, votes, questions=sorted(every), seed=seed) for seed in range(draws))
        low, high = drawn[int(0.025 * draws)], drawn[int(0.975 * draws) - 1]
        print(f"  Spearman {rho:.3f} ({low:.3f} to {high:.3f}, {draws:,} draws of {len(every)} questions)")


def score(row: dict[str, object]) -> Score:
    """The score of a call in the mart's stratum."""
    n = int(str(row["n_characters"]))
    band = next((limit for limit in (100, 400, 1600, 6400) if n < limit), 0)
    stratum = (row["prompt_class"], row["language"], band)
    return Score(str(row["model"]), stratum, row["call_id"], float(str(row["value"])))


def standardised(scores: list[tuple[int, Score]], *, times: Counter[int]) -> Rates:
    """Each model's mean on one mix, a question counting as often as it was drawn."""
    drawn = [
        Score(each.model, each.stratum, (each.cluster, copy), each.value)
        for question, each in scores
        for copy in range(times[question])
    ]
    return {
        model: found.own_mix.estimate
        for model, found in compare(drawn, is_rate=False).items()
        if found.own_mix is not None
    }


def draw(
    scores: list[tuple[int, Score]], votes: list[mtbench.Vote], *, questions: list[int], seed: int
) -> float:
    times = Counter(random.Random(seed).choices(questions, k=len(questions)))
    return correlation(standardised(scores, times=times), mtbench.win_rates(votes, times=times))


def correlation(one: Rates, other: Rates) -> float:
    models = sorted(other)
    first, second = ([rates[model] for model in models] for rates in (one, other))
    return spearman(first, second, n_resamples=1).value


if __name__ == "__main__":
    main()
