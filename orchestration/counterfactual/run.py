"""A replay: every model is asked the same recorded prompts, the same judges grade all answers, and who is
better and cheaper is found out. Each model is one evaluation run against what was answered then."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.retrying import RetryPolicy
from ingest.settings import Settings
from orchestration.comparison import store as runs
from orchestration.comparison.answering import AskingFailedError
from orchestration.comparison.endpoints import Endpoint, EndpointUnknownError
from orchestration.comparison.plans import Plan, Recorded
from orchestration.comparison.run import Found, RunningAlreadyError, alone, run_plan
from orchestration.comparison.summary import summarise
from orchestration.counterfactual import store
from orchestration.counterfactual.claims import Claims, Spent, open_claims, read_spent
from orchestration.counterfactual.errors import ReplayError
from orchestration.counterfactual.estimating import Line, estimate
from orchestration.counterfactual.measuring import measure
from orchestration.counterfactual.planning import (
    NAME,
    Asked,
    Sampled,
    draw,
    find_asked,
    fingerprint,
    load,
    refuse_incumbent_judge,
    settings_of,
)
from orchestration.counterfactual.request import Replay
from orchestration.counterfactual.store import Measured, Opened, ReplayOutcome
from orchestration.counterfactual.till import ReplayTill

# What got no answer may have been billed: it is not sent a second time.
RETRY: Final = RetryPolicy(retries_unanswered=False)

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a replay would ask and cost. `spent` is what it has cost so far, where it was begun before."""

    sampled: Sampled
    lines: Sequence[Line]
    max_usd: Decimal
    spent: Spent

    @property
    def usd(self) -> Decimal:
        """About what is still to be paid, if no budget ends it before."""
        return sum((line.usd for line in self.lines), Decimal(0))


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found and cost."""

    replay_id: UUID
    outcome: ReplayOutcome
    measured: Sequence[Measured]
    sampled: Sampled
    spent: Spent


def forecast(connection: Connection[TupleRow], replay: Replay, *, settings: Settings) -> Forecast:
    """What the replay would cost; writes nothing and asks nobody. Raises ReplayError.

    The connection must be outside a transaction.
    """
    replay.check()
    with connection.transaction(force_rollback=True):
        asked = find_asked(connection, replay)
        begun = store.find_unfinished(connection, fingerprint(replay, asked))
        drawn = draw(connection, replay, keep=settings.keep) if begun is None else begun.draw
        sampled = load(connection, drawn)
        refuse_incumbent_judge(asked, sampled)
        spent = Spent(Decimal(0), 0, 0) if begun is None else read_spent(connection, begun.replay_id)
        return Forecast(sampled, estimate(connection, asked, sampled), replay.max_usd, spent)


def replay_sample(
    connection: Connection[TupleRow], replay: Replay, *, settings: Settings, note: Note
) -> Replayed:
    """Replay the sample to its frontier, or as far as the budget goes; what is paid for is never paid again.

    A replay that was killed, or that ran out of budget, goes on with the same request: it keeps its sample
    and counts all that it has spent. The connection must commit by itself. Raises ReplayError; what was
    answered until then is kept.
    """
    replay.check()
    with _told():
        asked = find_asked(connection, replay)
        key = fingerprint(replay, asked)
        with alone(connection, f"replay/{key.hex()}"):
            opened, sampled = _opened(connection, replay, asked, key, settings=settings)
            if opened.is_continued:
                note(f"continuing replay {opened.replay_id}")
            claims = open_claims(connection, opened.replay_id, max_usd=replay.max_usd)
            found = _ask_all(connection, asked, sampled, claims, replay, settings=settings, note=note)
            measured = measure(sampled, found, asked)
            outcome: ReplayOutcome = "out_of_budget" if claims.is_out_of_budget else "finished"
            _finish(connection, opened.replay_id, found, measured, outcome=outcome)
            spent = read_spent(connection, opened.replay_id)
    return Replayed(opened.replay_id, outcome, measured, sampled, spent)


@contextmanager
def _told() -> Iterator[None]:
    """What a person can act on, as one kind of error."""
    try:
        yield
    except (AskingFailedError, EndpointUnknownError, RunningAlreadyError) as error:
        raise ReplayError(" ".join(str(error).split())) from error


def _opened(
    connection: Connection[TupleRow], replay: Replay, asked: Asked, key: bytes, *, settings: Settings
) -> tuple[Opened, Sampled]:
    """The replay that goes on, or a new one, with its prompts; nothing is begun that cannot be done."""
    begun = store.find_unfinished(connection, key)
    drawn = draw(connection, replay, keep=settings.keep) if begun is None else begun.draw
    sampled = load(connection, drawn)
    refuse_incumbent_judge(asked, sampled)
    if begun is not None:
        store.reopen_replay(connection, begun.replay_id, max_usd=replay.max_usd)
        return begun, sampled
    new = store.add_replay(
        connection,
        fingerprint=key,
        window=replay.window,
        settings=settings_of(replay, asked),
        draw=drawn,
        models=replay.models,
        max_usd=replay.max_usd,
    )
    return new, sampled


PlanFound = tuple[Plan, Found]


def _ask_all(
    connection: Connection[TupleRow],
    asked: Asked,
    sampled: Sampled,
    claims: Claims,
    replay: Replay,
    *,
    settings: Settings,
    note: Note,
) -> list[PlanFound]:
    """Ask every model in turn, each with an equal part of what is left; then all with what that has left,
    for as long as it is enough for anything: what was set aside is more than what was spent.
    """
    plans = [
        _plan(endpoint, asked, sampled, claims, replay, settings=settings) for endpoint in asked.endpoints
    ]
    parts = [len(plans) - place for place in range(len(plans))]
    while True:
        claims.is_out_of_budget, before = False, claims.purse.spent_calls
        found = [
            _within(connection, claims, plan, replay.max_usd, n_parts=n_parts, note=note)
            for plan, n_parts in zip(plans, parts, strict=True)
        ]
        if not claims.is_out_of_budget or claims.purse.spent_calls == before:
            return found
        parts = [1] * len(plans)


def _within(
    connection: Connection[TupleRow],
    claims: Claims,
    plan: Plan,
    max_usd: Decimal,
    *,
    n_parts: int,
    note: Note,
) -> PlanFound:
    """Run one model within its part of the budget: the first must leave something for the last."""
    left = max(Decimal(0), max_usd - claims.purse.spent_usd)
    claims.purse.max_usd = claims.purse.spent_usd + left / n_parts
    found = run_plan(connection, plan, note=note)
    claims.clear_room()
    return plan, found


def _plan(
    endpoint: Endpoint,
    asked: Asked,
    sampled: Sampled,
    claims: Claims,
    replay: Replay,
    *,
    settings: Settings,
) -> Plan:
    recorded = {item.item_id: item.recorded for item in sampled.items if item.recorded is not None}
    return Plan(
        dataset=f"calls of {replay.first_day} to {replay.last_day}",
        items=sampled.items,
        sides={"candidate": endpoint, "baseline": Recorded("recorded", recorded)},
        judges=asked.judges,
        name=NAME,
        concurrency=replay.concurrency,
        redis_url=settings.redis_url,
        retry=RETRY,
        till=ReplayTill(claims, asked.rates),
    )


def _finish(
    connection: Connection[TupleRow],
    replay_id: UUID,
    found: Sequence[PlanFound],
    measured: Sequence[Measured],
    *,
    outcome: ReplayOutcome,
) -> None:
    """All of it at once: a replay that will go on finds its runs unfinished, with the answers they have."""
    with connection.transaction():
        if outcome == "finished":
            for plan, each in found:
                told = summarise(plan, each, outcome="measured", checks=[], problem=None)
                runs.finish_run(connection, each.run, figures=msgspec.to_builtins(told), outcome="measured")
        store.finish_replay(connection, replay_id, measured, outcome=outcome)
