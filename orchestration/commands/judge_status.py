"""What `lqo status` says of judges: what waits, what is spent, batches in trouble, who may not alert."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg

from orchestration.calibration.state import calibration_standing, trusted_versions

Line = tuple[str, str]

# A batch has 24 hours at the provider; two more for the files and our own steps.
LONGEST_BATCH = timedelta(hours=26)
LOOK_BACK = timedelta(days=14)

JUDGES: LiteralString = """
select count(*) filter (where is_enabled), count(*) filter (where not is_enabled) from evaluation.judges
"""
HAS_LEDGER: LiteralString = "select to_regclass('marts.evaluation_coverage') is not null"
# The ledger knows by day what a count over all selections would take seconds for.
PENDING: LiteralString = """
select evaluator, evaluator_version, sum(n_pending), count(*), min(day)
from marts.evaluation_coverage
where kind = 'judge' and n_pending > 0
group by evaluator, evaluator_version
order by evaluator, evaluator_version
"""
RETRIABLE: LiteralString = """
select unscored_reason, count(*) from evaluation.judgements where is_retriable group by 1 order by 2 desc, 1
"""
BUDGETS: LiteralString = """
select
    policies.policy,
    coalesce(spend.n_calls, 0), policies.max_calls_per_day,
    coalesce(spend.amount_usd, 0), policies.max_usd_per_day,
    coalesce(spend.n_unpriced, 0)
from evaluation.judge_policies as policies
left join evaluation.judge_spend as spend
    on spend.policy = policies.policy and spend.scope = 'day' and spend.subject = %(today)s
where spend.policy is not null
    or exists (select from evaluation.judges where judges.policy = policies.policy and judges.is_enabled)
order by policies.policy
"""
OPEN: LiteralString = """
select count(*), sum(n_requests), min(prepared_at)
from evaluation.judge_batches
where state in ('prepared', 'uploaded', 'submitted')
"""
STUCK: LiteralString = """
select id, state, coalesce(provider_status, 'not asked yet'), prepared_at, problem, n_problems
from evaluation.judge_batches
where state in ('prepared', 'uploaded', 'submitted')
    and (n_problems > 0 or n_reads > 0 or prepared_at < %(late)s)
order by prepared_at, id
"""
ENDED_BADLY: LiteralString = """
select
    case when state = 'failed' then 'failed' else provider_status end,
    count(*),
    max(collected_at),
    (array_agg(problem order by collected_at desc) filter (where problem is not null))[1]
from evaluation.judge_batches
where collected_at > %(since)s and (state = 'failed' or provider_status in ('expired', 'cancelled'))
group by 1
order by 1
"""
# Whoever asks a judge relies on it; recorded scores of others are shown by `lqo evaluators`.
ASKED: LiteralString = """
select evaluators.id, evaluators.evaluator, evaluators.version
from evaluation.judges
inner join evaluation.evaluator_versions as evaluators on evaluators.id = judges.evaluator_version_id
where judges.is_enabled
order by evaluators.evaluator
"""


def judge_lines(connection: psycopg.Connection, *, now: datetime) -> Iterator[Line]:
    """A line each of what there is to say at `now` (aware); none where there never was a judge."""
    n_enabled, n_disabled = connection.execute(JUDGES).fetchone() or (0, 0)
    if not n_enabled + n_disabled:
        return
    yield "judges", f"{n_enabled} enabled, {n_disabled} disabled"
    yield from _waiting(connection)
    yield from _budgets(connection, now=now)
    yield from _batches(connection, now=now)
    trusted = trusted_versions(connection)
    for version_id, evaluator, version in connection.execute(ASKED).fetchall():
        if version_id not in trusted:
            standing = calibration_standing(connection, version_id)
            why = f" ({'; '.join(standing.reasons)})" if standing.reasons else ""
            yield "judge may not alert", f"{evaluator} {version} is {standing.state}{why}"


def _waiting(connection: psycopg.Connection) -> Iterator[Line]:
    if (connection.execute(HAS_LEDGER).fetchone() or (False,))[0]:
        for evaluator, version, n, n_days, oldest in connection.execute(PENDING).fetchall():
            days = f"{n_days} day{'s' if n_days > 1 else ''}, the oldest {oldest}"
            yield "judgements pending", f"{n:,} of {evaluator} {version} ({days})"
    if retriable := connection.execute(RETRIABLE).fetchall():
        yield "judgements to try again", ", ".join(f"{n:,} {reason}" for reason, n in retriable)


def _budgets(connection: psycopg.Connection, *, now: datetime) -> Iterator[Line]:
    today = now.astimezone(UTC).date().isoformat()
    for row in connection.execute(BUDGETS, {"today": today}).fetchall():
        policy, n_calls, most_calls, usd, most_usd, n_unpriced = row
        calls = f"{n_calls:,}{'' if most_calls is None else f' of {most_calls:,}'} calls"
        money = f"${usd:.4f}{'' if most_usd is None else f' of ${most_usd:.2f}'}"
        unpriced = f", {n_unpriced:,} without a price" if n_unpriced else ""
        yield "judge budget used today", f"{policy}: {calls}, {money}{unpriced}"


def _batches(connection: psycopg.Connection, *, now: datetime) -> Iterator[Line]:
    n, n_requests, oldest = connection.execute(OPEN).fetchone() or (0, 0, None)
    if oldest is not None:
        yield "judge batches open", f"{n:,} with {n_requests:,} requests, the oldest since {_at(oldest)}"
    for batch_id, state, status, prepared_at, problem, n_problems in connection.execute(
        STUCK, {"late": now - LONGEST_BATCH}
    ).fetchall():
        tries = f" ({n_problems} times)" if n_problems > 1 else ""
        why = " ".join((problem or "it has taken longer than a batch may").split())[:300]
        yield "judge batch stuck", f"{batch_id}, {state} ({status}) since {_at(prepared_at)}: {why}{tries}"
    for how, n, newest, problem in connection.execute(ENDED_BADLY, {"since": now - LOOK_BACK}).fetchall():
        why = f": {' '.join(problem.split())[:300]}" if problem else ""
        yield f"judge batches {how}", f"{n:,} in {LOOK_BACK.days} days, the newest {_at(newest)}{why}"


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
