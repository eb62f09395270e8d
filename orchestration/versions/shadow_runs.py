"""`lqo evaluators shadow`: a draft of any kind over chosen days."""

from dataclasses import replace
from datetime import date
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.rules.base import Rule
from orchestration.versions.registry import Version, VersionError
from orchestration.versions.shadow_days import put_shadow_days
from orchestration.versions.shadowing import refuse_current, shadow_rule
from orchestration.windows import Window, day_window

JUDGE: LiteralString = "select judge from evaluation.judges where evaluator_version_id = %s"
# Both draw by the policy's name: with one policy both versions are asked about the same calls.
POLICY: LiteralString = """
select judges.policy
from evaluation.version_periods as periods
inner join evaluation.judge_versions as versions using (evaluator_version_id)
inner join evaluation.judges using (judge)
where periods.evaluator = %s
order by periods.current_from desc nulls last
limit 1
"""


def shadow_days(
    connection: Connection[TupleRow],
    version: Version,
    *,
    first_day: date,
    last_day: date,
    redis_url: str | None = None,
) -> str:
    """Let the draft score the days (both included) and say what it did.

    A rule judges every call; a judge the calls that its policy selects, within its budget, and what is known
    is not paid for again. Raises VersionError for what cannot be run: a current version, recorded scores.
    """
    refuse_current(version)
    if version.kind == "rule":
        done = shadow_rule(
            connection, version, _written(connection, version), first_day=first_day, last_day=last_day
        )
        return f"{done.n_scored:,} calls scored, {done.n_unscored:,} unscored"
    if version.kind == "judge":
        return _judge(connection, version, first_day=first_day, last_day=last_day, redis_url=redis_url)
    raise VersionError(
        f"{version} is {version.kind}: its scores are imported (`lqo scores import`), not made here"
    )


def _judge(
    connection: Connection[TupleRow],
    version: Version,
    *,
    first_day: date,
    last_day: date,
    redis_url: str | None,
) -> str:
    # The client and its models are not for listing versions.
    from orchestration.judging.judges import list_judges
    from orchestration.judging.judging import Options, judge_window

    with connection.transaction():
        row = connection.execute(JUDGE, (version.id,)).fetchone()
        policy = connection.execute(POLICY, (version.evaluator,)).fetchone()
    if row is None:
        raise VersionError(f"no judge is {version} any more: `lqo judges add` makes it one again")
    judge = next(each for each in list_judges(connection) if each.judge == row[0])
    if policy is not None:
        judge = replace(judge, policy=policy[0])
    window = Window(day_window(first_day).start, day_window(last_day).end)
    (run,) = judge_window(connection, window, judges=[judge], options=Options(redis_url=redis_url))
    put_shadow_days(connection, version, first_day=first_day, last_day=last_day)
    if run.problem:
        raise VersionError(str(run))
    return str(run)


def _written(connection: Connection[TupleRow], version: Version) -> Rule:
    from evaluators.rules.written.looks import RefusedError
    from orchestration.rules.written_rules import written_rule_at

    try:
        rule = written_rule_at(connection, name=version.evaluator, version=version.version)
    except RefusedError as error:
        raise VersionError(f"{version} cannot be read any more: {error}") from None
    if rule is None:
        raise VersionError(f"{version} is no written rule, and its code is not here")
    return rule
