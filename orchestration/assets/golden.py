"""`evaluation/golden_scores`: the same items judged every day, so that a judge that changes is seen."""

from typing import Any

import dagster as dg

from orchestration.partitions import JUDGE_POOL
from orchestration.preview import markdown_table
from orchestration.resources import Warehouse


@dg.asset(
    key=["evaluation", "golden_scores"],
    pool=JUDGE_POOL,
    group_name="evaluation",
    kinds={"postgres"},
)
def golden_scores(warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """One row per golden item, judge version and UTC day; adds what today lacks, whatever day the run is of.

    Unpartitioned: a judge cannot be asked what it would have said on a day that is over.
    """
    from orchestration.calibration.golden_runs import run_golden_sets
    from orchestration.calibration.wording import figure

    with warehouse.connect() as connection:
        runs = run_golden_sets(connection)
    rows = [
        (one.golden_set, one.judge, one.n_asked, one.drift.n, figure(one.drift.shift), one.drift.is_drift)
        for one in runs
    ]
    columns = ("set", "judge", "asked", "n", "shift since the first day", "drift")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(one.n_items for one in runs),
            "n_asked": sum(one.n_asked for one in runs),
            "n_drifting": sum(one.drift.is_drift for one in runs),
            "preview": dg.MetadataValue.md(markdown_table(columns, rows)),
        }
    )
