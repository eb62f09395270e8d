"""Which judge is asked: the one whose version is current, once its version has been promoted."""

from datetime import UTC, datetime
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.transactions import writing

RELATION = "evaluation.judges"

# Only where one judge gives way to another: a judge that somebody has stopped stays so.
_CHANGED: LiteralString = """
with current as (
    select evaluator, evaluator_version_id
    from evaluation.version_periods
    where (current_from is null or current_from <= %(now)s) and (current_to is null or current_to > %(now)s)
        and kind = 'judge' and cause = 'promoted'
),
changed as (
    select old.judge as old_judge, new.judge as new_judge
    from current
    inner join evaluation.judges as new
        on new.evaluator_version_id = current.evaluator_version_id and not new.is_enabled
    inner join evaluation.judges as old
        on old.evaluator = current.evaluator and old.is_enabled and old.judge <> new.judge
)
"""
READ: LiteralString = _CHANGED + "select old_judge, new_judge from changed order by 1"
SWITCH: LiteralString = """
update evaluation.judges set is_enabled = %s, updated_at = now() where judge = %s
"""


def seat_judges(connection: Connection[TupleRow], *, now: datetime | None = None) -> list[tuple[str, str]]:
    """Disable each judge whose version was replaced by a promotion, and enable its successor; returns the
    pairs. Again changes nothing."""
    with writing(connection, relation=RELATION):
        changed = connection.execute(READ, {"now": now or datetime.now(UTC)}).fetchall()
        for old, new in changed:
            connection.execute(SWITCH, (False, old))
            connection.execute(SWITCH, (True, new))
    return [(old, new) for old, new in changed]
