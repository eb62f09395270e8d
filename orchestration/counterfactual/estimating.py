"""What a replay would cost, before anything is asked or written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import mean
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.comparison.store import REUSED_FOR_HOURS
from orchestration.counterfactual.planning import NAME, Asked, Sampled
from orchestration.counterfactual.rates import Guess, recorded_item
from orchestration.judging.cache import find_verdicts
from orchestration.judging.judges import Judge

_KNOWN: LiteralString = """
select count(distinct items.request_hash)
from evaluation.eval_items as items
inner join evaluation.eval_runs as runs using (run_id)
where items.request_hash = any(%(hashes)s)
    and items.answers is not null
    and items.origin <> 'recorded'
    and runs.name = %(name)s
    and items.answered_at > %(since)s
"""


@dataclass(frozen=True, slots=True)
class Line:
    """What one model, or one judge of one model's answers, would be asked. `n_known` need no asking: they
    were answered or judged before. Tokens and `usd` are estimates, `most_usd` is what cannot be exceeded."""

    name: str
    purpose: str
    n_prompts: int
    n_known: int
    input_tokens: int
    output_tokens: int
    usd: Decimal
    most_usd: Decimal


def estimate(connection: Connection[TupleRow], asked: Asked, sampled: Sampled) -> list[Line]:
    """A line for each model and for each judge of its answers, and of the recorded ones.

    An answer is guessed to be as long as the recorded one, or as the mean of those; a judge is guessed to
    read the recorded answer. Nothing is asked; the caller rolls back what prices were copied.
    """
    told = [prompt.output_tokens for prompt in sampled.prompts if prompt.output_tokens is not None]
    usual = round(mean(told)) if told else asked.rates.max_tokens
    lines = [
        _line(
            endpoint.name,
            "answers",
            [
                asked.rates.answer(
                    endpoint,
                    prompt.item,
                    output_tokens=usual if prompt.output_tokens is None else prompt.output_tokens,
                )
                for prompt in sampled.prompts
            ],
            n_known=_known_answers(
                connection, [endpoint.request_hash(prompt.item) for prompt in sampled.prompts]
            ),
        )
        for endpoint in asked.endpoints
    ]
    for judge in asked.judges:
        guesses = _grades(asked, sampled, judge)
        known = _known_grades(connection, asked, sampled, judge)
        lines.append(_line("recorded answers", f"grades of {judge.evaluator}", guesses, n_known=known))
        lines += [
            _line(endpoint.name, f"grades of {judge.evaluator}", guesses, n_known=0)
            for endpoint in asked.endpoints
        ]
    return lines


def _grades(asked: Asked, sampled: Sampled, judge: Judge) -> list[Guess]:
    guesses = (
        asked.rates.grade(judge.evaluator, recorded_item(prompt.item, _said(prompt.item.recorded)))
        for prompt in sampled.prompts
    )
    return [guess for guess in guesses if guess is not None]


def _said(recorded: tuple[str, ...] | None) -> str:
    # A judge is asked about no empty answer, but the candidate's will not be empty.
    return (recorded or ("",))[-1] or "-"


def _line(name: str, purpose: str, guesses: Sequence[Guess], *, n_known: int) -> Line:
    """The known ones cost nothing; which they are is not looked at, so the mean stands for all others."""
    n_asked = max(0, len(guesses) - n_known)
    share = Decimal(n_asked) / max(1, len(guesses))
    return Line(
        name=name,
        purpose=purpose,
        n_prompts=len(guesses),
        n_known=n_known,
        input_tokens=round(sum(guess.input_tokens for guess in guesses) * share),
        output_tokens=round(sum(guess.output_tokens for guess in guesses) * share),
        usd=sum((guess.usd for guess in guesses), Decimal(0)) * share,
        most_usd=sum((guess.most_usd for guess in guesses), Decimal(0)),
    )


def _known_answers(connection: Connection[TupleRow], hashes: list[bytes]) -> int:
    since = datetime.now(UTC) - timedelta(hours=REUSED_FOR_HOURS)
    given = {"hashes": hashes, "name": NAME, "since": since}
    with connection.transaction():
        row = connection.execute(_KNOWN, given).fetchone()
    return row[0] if row else 0


def _known_grades(connection: Connection[TupleRow], asked: Asked, sampled: Sampled, judge: Judge) -> int:
    with connection.transaction():
        row = connection.execute(
            "select id from evaluation.evaluator_versions where evaluator = %s and version = %s",
            (judge.evaluator, asked.rates.specs[judge.evaluator].version),
        ).fetchone()
    if row is None:
        return 0
    contents = [
        recorded_item(prompt.item, (prompt.item.recorded or ("",))[-1]).content_hash
        for prompt in sampled.prompts
    ]
    return len(find_verdicts(connection, contents, evaluator_version_id=row[0], judge_model=judge.model))
