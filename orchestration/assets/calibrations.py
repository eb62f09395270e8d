"""`evaluation/calibrations`: judges against people, and pass rates corrected for the judges' errors."""

from typing import Any

import dagster as dg

from orchestration.partitions import DAILY, POLICY, POOL, asset_window
from orchestration.preview import markdown_table
from orchestration.resources import Warehouse
from orchestration.windows import days_of


@dg.asset(
    key=["evaluation", "calibrations"],
    deps=[["raw", "llm_calls"], ["evaluation", "rule_scores"], ["evaluation", "judgements"]],
    partitions_def=DAILY,
    backfill_policy=POLICY,
    pool=POOL,
    group_name="evaluation",
    kinds={"postgres", "numpy"},
)
def calibrations(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """Pass rates of the window's days, replaced; and one row per evaluator version and stratum, as of now.

    Days whose verdicts have come since (from judges in the night, a batch) are made anew, too.
    """
    # numpy and scipy are not for the code location's load.
    from orchestration.calibration.calibrations import calibrate_versions
    from orchestration.calibration.pass_rates import stale_days, store_pass_rates

    window = asset_window(context)
    with warehouse.connect() as connection:
        late = stale_days(connection, before=window.start)
        n_rates = store_pass_rates(connection, sorted({*late, *days_of([window])}))
        found = calibrate_versions(connection)
    rows = [
        (
            one.version.evaluator,
            one.version.version,
            one.overall.n,
            f"{one.overall.agreement.raw.value:.3f}",
            f"{one.overall.agreement.kappa.value:.3f}",
            one.overall.standing.state,
            "; ".join(one.overall.standing.reasons),
        )
        for one in found
    ]
    columns = ("evaluator", "version", "n", "agreement", "kappa", "state", "why")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(len(one.strata) for one in found),
            "n_pass_rates": n_rates,
            "n_late_days": len(late),
            "n_ok": sum(one.overall.standing.state == "ok" for one in found),
            "preview": dg.MetadataValue.md(markdown_table(columns, rows)),
        }
    )
