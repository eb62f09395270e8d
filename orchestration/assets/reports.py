"""`reports/drift`: what a person opens to see whether a day was unlike the week before it."""

from datetime import date
from typing import Any

import dagster as dg

from orchestration.partitions import DAILY, POLICY, asset_window
from orchestration.preview import markdown_table
from orchestration.resources import Warehouse
from orchestration.windows import days_of


@dg.asset(
    key=["reports", "drift"],
    deps=[["marts", "calls"]],
    partitions_def=DAILY,
    backfill_policy=POLICY,
    group_name="reports",
    kinds={"evidently"},
)
def drift(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """One HTML file per day with enough calls, and a finding per column in `evaluation.drift_findings`.

    The day against the trailing week; replaces the day's file and findings.
    """
    # Evidently takes 8 s to import, which every load of the code location would pay.
    from orchestration.drift_findings import record_findings
    from reports.drift import build_drift_report

    out_dir = warehouse.settings().reports
    days = days_of([asset_window(context)])
    with warehouse.connect() as connection:
        reports = [build_drift_report(connection, day=day, out_dir=out_dir) for day in days]
        n_changed = sum(record_findings(connection, report) for report in reports)
    rows: list[tuple[date, int, int, str, object]] = [
        (report.day, report.n_current, report.n_reference, ", ".join(report.drifted_columns), report.path)
        for report in reports
    ]
    table = markdown_table(("day", "calls", "calls before", "drifted", "file"), rows)
    newest = next((report.path for report in reversed(reports) if report.path), None)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(report.n_current for report in reports),
            "n_findings_changed": n_changed,
            "preview": dg.MetadataValue.md(table),
            **({"report": dg.MetadataValue.path(newest)} if newest else {}),
        }
    )
