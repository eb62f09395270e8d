"""The drift report: a UTC day of `marts.calls` against the seven days before it, as HTML and as findings."""

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any, Literal, cast

import psycopg

REFERENCE_DAYS = 7
MOST_ROWS = 20_000
FEWEST_ROWS = 30
NUMBERS = ("failed_rules", "latency_ms", "ttft_ms", "input_tokens", "output_tokens", "amount_usd")
LABELS = ("model", "status", "finish_reason")
# Of these a small value says that the two differ (a p-value); of all others, distances, a large one.
P_VALUES = ("p_value", "p-value")

Reason = Literal["not_enough_calls", "no_values", "not_comparable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What Evidently says of one column; exactly one of `value` and `reason` is None.

    `n_current` and `n_reference` count the calls with a value on each side; medians are of numbers alone.
    """

    column: str
    kind: Literal["number", "label"]
    n_current: int
    n_reference: int
    method: str | None = None
    value: float | None = None
    threshold: float | None = None
    is_drift: bool = False
    median_current: float | None = None
    median_reference: float | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Where the HTML is and a finding for each column; `path` is None when either side has under 30 calls."""

    day: date
    path: Path | None
    n_current: int
    n_reference: int
    findings: tuple[Finding, ...]
    evidently_version: str

    @property
    def drifted_columns(self) -> tuple[str, ...]:
        return tuple(finding.column for finding in self.findings if finding.is_drift)

    @property
    def reference_from(self) -> date:
        return self.day - timedelta(days=REFERENCE_DAYS)


def build_drift_report(connection: psycopg.Connection, *, day: date, out_dir: Path) -> DriftReport:
    """Write `<out_dir>/drift-<day>.html`; at most 20,000 calls a side, chosen by a hash of the call id.

    A column without a single value on one side is not compared: there is nothing to compare.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    current = _sample(connection, start=start, end=start + timedelta(days=1))
    reference = _sample(connection, start=start - timedelta(days=REFERENCE_DAYS), end=start)
    path: Path | None = None
    measured: dict[str, tuple[str, float, float]] = {}
    is_enough = min(len(current), len(reference)) >= FEWEST_ROWS
    if is_enough:
        out_dir.mkdir(parents=True, exist_ok=True)
        path = out_dir / f"drift-{day.isoformat()}.html"
        measured = dict(_measured(_compare(current, reference, path=path)))
    findings = tuple(
        _finding(name, current, reference, measured=measured.get(name), is_enough=is_enough)
        for name in (*NUMBERS, *LABELS)
    )
    return DriftReport(day, path, len(current), len(reference), findings, version("evidently"))


def is_drift(method: str, *, value: float, threshold: float) -> bool:
    """Whether Evidently's test found a difference: a p-value below its bound, a distance at or above it."""
    if any(word in method for word in P_VALUES):
        return value < threshold
    return value >= threshold


_COUNT = "select count(*) from marts.calls where started_at >= %(start)s and started_at < %(end)s"
_ROWS = """
select
    coalesce(cardinality(failed_rules), 0)::float8 as failed_rules,
    latency_ms,
    ttft_ms,
    (
        coalesce(input_uncached, 0) + coalesce(input_image, 0) + coalesce(cache_read, 0)
        + coalesce(cache_write, 0)
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


def _compare(current: Any, reference: Any, *, path: Path) -> dict[str, Any]:
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
        return cast("dict[str, Any]", snapshot.dict())


def _measured(found: dict[str, Any]) -> Iterator[tuple[str, tuple[str, float, float]]]:
    """Method, value and threshold of each column that has a value."""
    for metric in found["metrics"]:
        config = metric["config"]
        if not config["type"].endswith("ValueDrift"):
            continue
        value, threshold = float(metric["value"]), float(config["threshold"])
        if isfinite(value):
            yield str(config["column"]), (str(config.get("method") or "distance"), value, threshold)


def _finding(
    name: str, current: Any, reference: Any, *, measured: tuple[str, float, float] | None, is_enough: bool
) -> Finding:
    n_current, n_reference = int(current[name].notna().sum()), int(reference[name].notna().sum())
    kind: Literal["number", "label"] = "number" if name in NUMBERS else "label"
    if not is_enough:
        return Finding(name, kind, n_current, n_reference, reason="not_enough_calls")
    if not (n_current and n_reference):
        return Finding(name, kind, n_current, n_reference, reason="no_values")
    if measured is None:
        return Finding(name, kind, n_current, n_reference, reason="not_comparable")
    method, value, threshold = measured
    is_number = kind == "number"
    return Finding(
        column=name,
        kind=kind,
        n_current=n_current,
        n_reference=n_reference,
        method=method,
        value=value,
        threshold=threshold,
        is_drift=is_drift(method, value=value, threshold=threshold),
        median_current=float(current[name].median()) if is_number else None,
        median_reference=float(reference[name].median()) if is_number else None,
    )
