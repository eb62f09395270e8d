"""MT-Bench answers as calls of one day, with votes on pairs of answers as their scores.

Zheng et al. 2023 (arXiv 2306.05685): 80 questions of two turns, six models that people voted on. An answer's
score by a set of votes is the share of its pairs that it won, a tie counting half: between 0 and 1.
"""

import json
import lzma
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from tests.dbt_project.landing import Call, land

DAY = date(2023, 12, 1)
FILES = {"human_votes": "mtbench_human.jsonl", "gpt4_pair": "mtbench_gpt4_pair.jsonl"}
Answer = tuple[int, int, str]
"""Question, turn (1 or 2) and model."""

VERSION = """
insert into evaluation.evaluator_versions (evaluator, version, kind, status, current_from)
values (%s, '2023-06', %s, 'active', '2023-11-01')
returning id
"""
JUDGEMENTS = """
copy evaluation.judgements (
    started_at, call_id, evaluator_version_id, value, judge_model, inclusion_probability, content_hash
) from stdin
"""


@dataclass(frozen=True, slots=True)
class Vote:
    """One verdict on a pair: 1 the first answer won, 0 the second, 0.5 a tie."""

    question: int
    turn: int
    first: str
    second: str
    score: float


def votes(data: Path, name: str) -> list[Vote]:
    """All votes of a file of `FILES`; every kind of tie is a tie."""
    rows = [json.loads(line) for line in (data / FILES[name]).read_text().splitlines()]
    scores = {"model_a": 1.0, "model_b": 0.0}
    return [
        Vote(row["question_id"], row["turn"], row["model_a"], row["model_b"], scores.get(row["winner"], 0.5))
        for row in rows
    ]


def win_rates(given: Sequence[Vote], *, times: Mapping[int, int] | None = None) -> dict[str, float]:
    """Each model's share of votes won over all its pairs, as published; a question counts `times` times."""
    totals: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for vote in given:
        n = 1 if times is None else times.get(vote.question, 0)
        for model, score in ((vote.first, vote.score), (vote.second, 1 - vote.score)):
            totals[model][0] += n * score
            totals[model][1] += n
    return {model: won / n for model, (won, n) in sorted(totals.items()) if n}


def answer_scores(given: Sequence[Vote]) -> dict[Answer, float]:
    """Each answer's share of votes won."""
    scores: defaultdict[Answer, list[float]] = defaultdict(list)
    for vote in given:
        scores[vote.question, vote.turn, vote.first].append(vote.score)
        scores[vote.question, vote.turn, vote.second].append(1 - vote.score)
    return {answer: sum(values) / len(values) for answer, values in scores.items()}


def answers(data: Path) -> dict[Answer, Call]:
    """Every answer that people voted on, a second apart. The texts of vicuna-13b-v1.2 were not published with
    the others; its calls have prompts alone."""
    texts: dict[Answer, str] = {}
    prompts: dict[tuple[int, int], str] = {}
    with lzma.open(data / "mtbench_answers.jsonl.xz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            for turn, (prompt, answer) in enumerate(zip(row["prompts"], row["responses"], strict=True), 1):
                prompts[row["question_id"], turn] = prompt
                texts[row["question_id"], turn, row["model"]] = answer
    midnight = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    voted = sorted(answer_scores(votes(data, "human_votes")) | answer_scores(votes(data, "gpt4_pair")))
    return {
        (question, turn, model): Call(
            f"mtbench {question} {turn} {model}",
            midnight + timedelta(seconds=number),
            model,
            "mtbench",
            prompt=prompts[question, turn],
            answer=texts.get((question, turn, model)),
        )
        for number, (question, turn, model) in enumerate(voted)
    }


def load(connection: psycopg.Connection[TupleRow], data: Path) -> None:
    """Land the answers, and their scores by people and by GPT-4; the month must be there."""
    calls = answers(data)
    land(connection, calls.values())
    for name in FILES:
        kind = "human" if name == "human_votes" else "judge"
        row = connection.execute(VERSION, (name, kind)).fetchone()
        assert row
        with connection.cursor() as cursor, cursor.copy(JUDGEMENTS) as copy:
            for answer, score in answer_scores(votes(data, name)).items():
                call = calls[answer]
                content = call.call_id.bytes
                copy.write_row((call.started_at, call.call_id, row[0], score, name, 1.0, content))
