"""Which calls a policy selects, and with what probability: two phases in SQL, the same on every run.

Phase 1 takes each call whose sample point lies below the rate, and each that fails a rule (with probability
1). Phase 2, once the day is closed, takes a stratum's next calls in the order of their sample points until it
has its minimum. In a stratum with N calls that fail nothing, of which m are needed, each of them is then
selected with probability E[max(B, m)] / N, B binomial (N, rate): the points are exchangeable, and the larger
of the two counts is what both phases take together.
"""

from collections.abc import Sequence
from datetime import datetime
from math import exp, lgamma, log, log1p

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.landing.months import ensure_months
from orchestration.dirty import mark_hours
from orchestration.judging import selection_queries as queries
from orchestration.judging.policies import Policy
from orchestration.transactions import LOCK
from orchestration.windows import Window, hour_window, hours_of

RELATION = "evaluation.judge_selections"


def select_calls(connection: Connection[TupleRow], policy: Policy, window: Window) -> int:
    """Phase 1 over a window, an hour a transaction (a savepoint inside one); returns the calls selected now.

    The same again selects nothing. A rate that has changed since holds for all calls that no judge has been
    asked about; a raised one for the others, too.
    """
    n_selected = 0
    ensure_months(connection, sorted({hour.date().replace(day=1) for hour in hours_of([window])}))
    for hour in hours_of([window]):
        part = _overlap(hour_window(hour), window)
        given = _given(policy, part)
        with connection.transaction():
            connection.execute(LOCK, (RELATION,))
            connection.execute(queries.DROP_OUTDATED, given)
            n_selected += connection.execute(queries.SELECT, given).rowcount
            if connection.execute(queries.DROP_SKIPPED, given).rowcount:
                mark_hours(connection, [part.start], stage="scores")
            _carry_over(connection, policy, part)
    return n_selected


def top_up(connection: Connection[TupleRow], policy: Policy, day: Window) -> int:
    """Phase 2 over a closed day, one transaction; returns the calls added. The same again adds none."""
    if not policy.min_per_stratum:
        return 0
    given = _given(policy, day)
    with connection.transaction():
        connection.execute(LOCK, (RELATION,))
        strata = connection.execute(queries.STRATA_OF_DAY, given).fetchall()
        plan = [
            (name, needed, inclusion_probability(n_others, rate=policy.rate, needed=needed))
            for name, n_failing, n_others in strata
            if n_others and (needed := min(n_others, max(0, policy.min_per_stratum - n_failing)))
        ]
        names, needed, probabilities = zip(*plan, strict=True) if plan else ((), (), ())
        given |= {"names": list(names), "needed": list(needed), "probabilities": list(probabilities)}
        n_added = connection.execute(queries.TOP_UP, given).rowcount
        connection.execute(queries.SET_PROBABILITIES, given)
        _carry_over(connection, policy, day)
    return n_added


def inclusion_probability(n: int, *, rate: float, needed: int) -> float:
    """The chance that either phase takes a call: E[max(B, needed)] / n for B binomial (n, rate).

    0 <= needed <= n, n > 0. E[max(B, m)] = n·rate + the sum over j < m of (m - j)·P(B = j).
    """
    if rate >= 1 or needed >= n:
        return 1.0
    short = sum((needed - j) * _binomial(n, j, rate) for j in range(needed))
    return min(1.0, (n * rate + short) / n)


def _binomial(n: int, j: int, p: float) -> float:
    if p <= 0:
        return float(j == 0)
    chosen = lgamma(n + 1) - lgamma(j + 1) - lgamma(n - j + 1)
    return exp(chosen + j * log(p) + (n - j) * log1p(-p))


def _carry_over(connection: Connection[TupleRow], policy: Policy, window: Window) -> None:
    given = {"start": window.start, "end": window.end, "policy": policy.policy}
    hours: Sequence[tuple[datetime]] = connection.execute(queries.CARRY_OVER, given).fetchall()
    mark_hours(connection, [hour for (hour,) in hours], stage="scores")


def _given(policy: Policy, window: Window) -> dict[str, object]:
    return {
        "start": window.start,
        "end": window.end,
        "policy": policy.policy,
        "rate": policy.rate,
        "on_failure": policy.on_failure,
        "strata": list(policy.strata),
        "models": None if policy.models is None else list(policy.models),
        "prompts": None if policy.prompts is None else list(policy.prompts),
        "projects": None if policy.projects is None else list(policy.projects),
    }


def _overlap(hour: Window, window: Window) -> Window:
    return Window(max(hour.start, window.start), min(hour.end, window.end))
