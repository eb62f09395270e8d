"""From what was asked for to what will be asked: endpoints, judges, prices, and the sample."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.rubrics import RubricError
from ingest.access.secrets import Missing, read_secret
from ingest.settings import Keep
from orchestration.comparison.endpoints import Endpoint, EndpointUnknownError, find_endpoint
from orchestration.comparison.items import EvalItem, digest_of
from orchestration.comparison.judges import judges_of, refuse_own_judge
from orchestration.counterfactual.drawing import Draw, Population, draw_sample
from orchestration.counterfactual.errors import ReplayError
from orchestration.counterfactual.loading import Prompt, load_prompts
from orchestration.counterfactual.rates import Rates, find_rates
from orchestration.counterfactual.request import Replay
from orchestration.judging.judges import Judge, JudgeError

NAME = "counterfactual"
"""Of the evaluation runs that replays are made of: they take over each other's answers of a day."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who will be asked, with their prices; nothing here depends on the sample."""

    endpoints: tuple[Endpoint, ...]
    judges: tuple[Judge, ...]
    rates: Rates


@dataclass(frozen=True, slots=True)
class Sampled:
    """What will be asked: the draw, its prompts, and how many of it cannot be replayed, by reason."""

    draw: Draw
    prompts: tuple[Prompt, ...]
    left_out: dict[str, int]

    @property
    def items(self) -> tuple[EvalItem, ...]:
        return tuple(prompt.item for prompt in self.prompts)


def find_asked(connection: Connection[TupleRow], replay: Replay) -> Asked:
    """Endpoints, judges and prices. Raises ReplayError for what is missing, before anything is paid."""
    try:
        endpoints = tuple(_endpoint(connection, replay, name) for name in replay.models)
        judges = judges_of(connection, replay)
        refuse_own_judge(judges, [endpoint.model for endpoint in endpoints])
        for endpoint in endpoints:
            endpoint.api_key()
    except (EndpointUnknownError, JudgeError, RubricError) as error:
        raise ReplayError(" ".join(str(error).split())) from None
    for judge in judges:
        if judge.secret_ref is not None and isinstance(missing := read_secret(judge.secret_ref), Missing):
            raise ReplayError(f"the judge {judge.judge}: {missing.reason}")
    rates = find_rates(connection, endpoints, judges, max_tokens=replay.max_tokens)
    return Asked(endpoints, judges, rates)


def fingerprint(replay: Replay, asked: Asked) -> bytes:
    """SHA-256 over all that decides the result; neither the budget nor the speed is part of it."""
    return digest_of(settings_of(replay, asked))


def settings_of(replay: Replay, asked: Asked) -> dict[str, Any]:
    """What a replay was asked for, without a secret."""
    return {
        "first_day": replay.first_day.isoformat(),
        "last_day": replay.last_day.isoformat(),
        "sample": replay.sample,
        "seed": replay.seed,
        "strata": list(replay.strata),
        "project": replay.project,
        "source_model": replay.source_model,
        "models": [
            [each.name, each.provider, each.model, each.base_url, dict(each.parameters)]
            for each in asked.endpoints
        ],
        "judges": [
            [each.evaluator, asked.rates.specs[each.evaluator].version, each.model, each.base_url]
            for each in asked.judges
        ],
        "allows_same_model": replay.allows_same_model,
    }


def draw(connection: Connection[TupleRow], replay: Replay, *, keep: Keep) -> Draw:
    """The sample's calls, without their texts."""
    population = Population(
        window=replay.window,
        strata=replay.strata,
        project=replay.project,
        model=replay.source_model,
    )
    return draw_sample(connection, population, sample=replay.sample, seed=replay.seed, keep=keep)


def load(connection: Connection[TupleRow], drawn: Draw, *, at: datetime | None = None) -> Sampled:
    """The prompts of a draw, priced by the prices of `at` (None: now). Raises ReplayError for too few."""
    prompts, left_out = load_prompts(connection, drawn, at=at or datetime.now(UTC))
    if len(prompts) < 2:
        why = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
        raise ReplayError(f"fewer than two prompts can be replayed ({why or 'nothing was drawn'})")
    return Sampled(drawn, prompts, left_out)


def refuse_incumbent_judge(asked: Asked, sampled: Sampled) -> None:
    """Raise ReplayError where a judge would grade its own recorded answers and was not allowed to."""
    models = sorted({prompt.model for prompt in sampled.prompts})
    try:
        refuse_own_judge(asked.judges, models)
    except JudgeError as error:
        raise ReplayError(str(error)) from None


def _endpoint(connection: Connection[TupleRow], replay: Replay, name: str) -> Endpoint:
    at = replay.models_at
    return find_endpoint(
        connection, name, base_url=at.base_url, secret_ref=at.secret, parameters=replay.parameters
    )
