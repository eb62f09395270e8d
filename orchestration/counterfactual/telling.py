"""What a replay leaves behind for those who did not start it: its page, and its materialisation in Dagster.

A run of `analysis/counterfactual` records its own; one from the command line is reported to the home's
instance, so that the asset's history holds every replay.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import dagster as dg

from ingest.database.sibling import dagster_database
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.counterfactual.run import Replayed
from orchestration.instance import open_instance, prepare_instance
from orchestration.preview import markdown_table
from reports.frontier.chart import usd
from reports.frontier.figures import Frontier, ModelPoint
from reports.weekly.wording import signed

ASSET: Final = dg.AssetKey(["analysis", "counterfactual"])


def metadata_of(done: Replayed, frontiers: Sequence[Frontier], *, page: Path) -> dict[str, Any]:
    """What a replay's materialisation says, whoever started it."""
    return {
        "dagster/row_count": sum(len(each.points) for each in frontiers),
        "replay_id": str(done.replay_id),
        "outcome": done.outcome,
        "spent_usd": float(done.spent.usd),
        "n_requests": done.spent.n_requests,
        "n_in_doubt": done.spent.n_in_doubt,
        "report": dg.MetadataValue.path(str(page)),
        "preview": dg.MetadataValue.md(_table(frontiers)),
    }


def report_to_dagster(settings: Settings, url: DatabaseUrl, metadata: Mapping[str, Any]) -> None:
    """Leave the materialisation of a replay that no run made."""
    prepare_instance(settings, dagster_database(settings, url))
    event = dg.AssetMaterialization(asset_key=ASSET, description="by `lqo whatif replay`", metadata=metadata)
    with open_instance(settings) as instance:
        instance.report_runless_asset_event(event)


def _table(found: Sequence[Frontier]) -> str:
    rows = [
        (
            frontier.rubric,
            point.model,
            point.n_graded,
            f"{point.grade.value:.2f}" if point.grade.is_known else "–",
            "" if point.is_incumbent else _against(point),
            usd(point.usd_per_1k.value) if point.usd_per_1k.is_known else "–",
            point.verdict,
        )
        for frontier in found
        for point in frontier.points
    ]
    head = ("rubric", "model", "graded", "grade", "against now", "1,000 calls", "verdict")
    return markdown_table(head, rows)


def _against(point: ModelPoint) -> str:
    return signed(point.grade_difference.value, digits=2) if point.grade_difference.is_known else "–"
