"""The drift report: one UTC day of `marts.calls` against the seven days before it, as one HTML file."""

import os
import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import psycopg

REFERENCE_DAYS = 7
MOST_ROWS = 20_000
FEWEST_ROWS = 30
NUMBERS = ("failed_rules", "latency_ms", "ttft_ms", "input_tokens", "output_tokens", "amount_usd")
LABELS = ("model", "status", "finish_reason")


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Where the HTML is and what Evidently found; `path` is None when either side has under 30 calls."""

    day: date
    path: Path | None
    n_current: int
    n_reference: int
    drifted_columns: tuple[str, ...]


def build_drift_report(connection: psycopg.Connection, *, day: date, out_dir: Path) -> DriftReport:
    """Write `<out_dir>/drift-<day>.html`; at most 20,000 calls a side, chosen by a hash of the call id.

    A column without a single value on one side is left out: there is nothing to compare.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    current = _sample(connection, start=start, end=start + timedelta(days=1))
    reference = _sample(connection, start=start - timedelta(days=REFERENCE_DAYS), end=start)
    if min(len(current), len(reference)) < FEWEST_ROWS:
        return DriftReport(day, None, len(current), len(reference), ())
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / f"drift-{day.isoformat()}.html"
    drifted = _compare(current, reference, path=path)
    return DriftReport(day, path, len(current), len(reference), drifted)


_COUNT = "select count(*) from marts.calls where started_at >= %(start)s and started_at < %(end)s"
_ROWS = """
select
    coalesce(cardinality(failed_rules), 0)::float8 as failed_rules,
    latency_ms,
    ttft_ms,
    (
        coalesce(input_uncached, 0) + coalesce(cache_read, 0) + coalesce(cache_write, 0)
    )::float8 as input_tokens,
    (coalesce(output_text, 0) + coalesce(reasoning, 0))::float8 as output_tokens,
    amount_usd::float8 as amount_usd,
    model,
    status,
    coalesce(finish_reason, 'none') as finish_reason
from marts.calls
where started_at >= %(start)s and started_at < %(end)s
    and abs(hashtextextended(call_id::text, 0) %% %(every)s) = 0
"""


def _sample(connection: psycopg.Connection, *, start: datetime, end: datetime) -> Any:
    """A pandas frame of NUMBERS and LABELS (Any: pandas is imported only when a report is built)."""
    import pandas as pd

    window: dict[str, Any] = {"start": start, "end": end}
    found = connection.execute(_COUNT, window).fetchone()
    n_rows = int(found[0]) if found else 0
    window["every"] = max(1, -(-n_rows // MOST_ROWS))
    rows = connection.execute(_ROWS, window).fetchall()
    return pd.DataFrame.from_records(rows, columns=[*NUMBERS, *LABELS])


def _compare(current: Any, reference: Any, *, path: Path) -> tuple[str, ...]:
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        numbers = [name for name in NUMBERS if current[name].notna().any() and reference[name].notna().any()]
        shape = DataDefinition(numerical_columns=numbers, categorical_columns=list(LABELS))
        kept = [*numbers, *LABELS]
        snapshot = Report([DataDriftPreset()], include_tests=True).run(
            Dataset.from_pandas(current[kept], data_definition=shape),
            Dataset.from_pandas(reference[kept], data_definition=shape),
        )
        snapshot.save_html(str(path))
        found = cast("dict[str, Any]", snapshot.dict())
    return tuple(_drifted(found))


def _drifted(found: dict[str, Any]) -> list[str]:
    columns: list[str] = []
    for metric in found["metrics"]:
        config = metric["config"]
        if not config["type"].endswith("ValueDrift"):
            continue
        distance = config["method"].startswith(("Wasserstein", "Jensen")) if config.get("method") else True
        value, threshold = float(metric["value"]), float(config["threshold"])
        if (value >= threshold) if distance else (value < threshold):
            columns.append(str(config["column"]))
    return columns
