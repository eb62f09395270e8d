"""`evaluation/bridges`: what changes where an evaluator changes, on the same calls."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration.partitions import DAILY, POLICY, POOL, asset_window
from orchestration.preview import markdown_table
from orchestration.resources import Warehouse
from orchestration.windows import days_of

if TYPE_CHECKING:
    from orchestration.versions.bridging import BridgeReport


@dg.asset(
    key=["evaluation", "bridges"],
    deps=[["evaluation", "rule_scores"], ["evaluation", "judgements"]],
    partitions_def=DAILY,
    backfill_policy=POLICY,
    pool=POOL,
    group_name="evaluation",
    kinds={"postgres"},
)
def bridges(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """One row per two versions of an evaluator that the window speaks of, with a page; replaces them."""
    # numpy and scipy, half a second, are not for the code location's load.
    from orchestration.versions.bridge_report import write_page
    from orchestration.versions.bridging import bridge_versions
    from orchestration.versions.due import count_rule_sets, due_pairs

    window = asset_window(context)
    days = days_of([window])
    reports: list[BridgeReport] = []
    pages: list[str] = []
    with warehouse.connect() as connection:
        n_counts = count_rule_sets(connection, window)
        for before, after, is_shadow in due_pairs(connection, window):
            first, last = (None, None) if is_shadow else (days[0], days[-1])
            report = bridge_versions(connection, before=before, after=after, first_day=first, last_day=last)
            reports.append(report)
            pages.append(str(write_page(report, out_dir=warehouse.settings().reports)))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(reports),
            "rule_set_counts": n_counts,
            "preview": dg.MetadataValue.md(_table(reports)),
            **({"report": dg.MetadataValue.path(pages[-1])} if pages else {}),
        }
    )


def _table(reports: "list[BridgeReport]") -> str:
    rows = [
        (
            report.before.evaluator,
            report.before.version,
            report.after.version,
            report.n_shared,
            f"{report.bridge.kappa.value:.3f}",
            f"{report.bridge.shift.value:+.3f}",
        )
        for report in reports
    ]
    return markdown_table(("evaluator", "from", "to", "calls", "kappa", "shift"), rows)
