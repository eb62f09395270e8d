"""The gate: which evaluator versions may page somebody or lead a table."""

from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.calibration.policy import Standing, State

STATE: LiteralString = """
select state, reasons from evaluation.calibrations
where evaluator_version_id = %s and stratum = %s and name = %s
"""

# A rule says what it found, word for word; it needs no people, and only their contradiction stops it.
TRUSTED: LiteralString = """
select versions.id
from evaluation.evaluator_versions as versions
left join evaluation.calibrations
    on calibrations.evaluator_version_id = versions.id and calibrations.stratum = 'overall'
where versions.status <> 'draft'
    and case
        when versions.kind = 'rule' then calibrations.state is distinct from 'degraded'
        else calibrations.state is not distinct from 'ok'
    end
"""

NEVER_COMPARED = Standing("uncalibrated", ("nobody has compared it with people's labels",))


def calibration_state(
    connection: Connection[TupleRow], evaluator_version_id: int, *, model: str | None = None
) -> State:
    """uncalibrated (so is what was never compared), ok or degraded: overall, or for one model's calls."""
    return calibration_standing(connection, evaluator_version_id, model=model).state


def calibration_standing(
    connection: Connection[TupleRow], evaluator_version_id: int, *, model: str | None = None
) -> Standing:
    """The state with its reasons."""
    stratum = ("overall", "") if model is None else ("model", model)
    with connection.transaction():
        row = connection.execute(STATE, (evaluator_version_id, *stratum)).fetchone()
    return NEVER_COMPARED if row is None else Standing(row[0], tuple(row[1]))


def trusted_versions(connection: Connection[TupleRow]) -> frozenset[int]:
    """Ids of the evaluator versions that alerts and leaderboards may go by.

    A judge must be `ok`. A rule is trusted until people's labels show it to be degraded. Drafts never are.
    """
    with connection.transaction():
        return frozenset(row[0] for row in connection.execute(TRUSTED))


def may_alert(connection: Connection[TupleRow], evaluator_version_id: int) -> bool:
    """Whether this version may page somebody or lead a table."""
    return evaluator_version_id in trusted_versions(connection)
