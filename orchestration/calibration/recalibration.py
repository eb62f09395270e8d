"""What new labels change at once, without a wait for the next run of the day."""

from collections.abc import Collection
from datetime import date
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.calibration.calibrations import Calibrated, calibrate_versions
from orchestration.calibration.pass_rates import store_pass_rates

# Retired ones are compared again by the next run of the asset.
VERSIONS: LiteralString = """
select id from evaluation.evaluator_versions
where evaluator = any (%s) and status <> 'retired'
order by id
"""


def recalibrate(
    connection: Connection[TupleRow], *, evaluators: Collection[str], days: Collection[date]
) -> list[Calibrated]:
    """Pass rates of the labelled days, and the calibrations of every version that is not retired."""
    if not evaluators:
        return []
    store_pass_rates(connection, sorted(days))
    with connection.transaction():
        ids = [row[0] for row in connection.execute(VERSIONS, (sorted(evaluators),))]
    return calibrate_versions(connection, ids)
