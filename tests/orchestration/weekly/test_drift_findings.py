"""Drift findings stand in the warehouse once a day and column, with what was compared, or why not."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from orchestration.drift_findings import record_findings
from reports.drift import DriftReport, Finding, is_drift
from tests.orchestration.weekly.conftest import Marts

DAY = date(2026, 11, 10)
FOUND = Finding("latency_ms", "number", 100, 700, "K-S p_value", 0.01, 0.05, True, 900.0, 800.0)
NONE = Finding("ttft_ms", "number", 0, 700, reason="no_values")


def report(*findings: Finding, day: date = DAY) -> DriftReport:
    return DriftReport(day, None, 100, 700, findings, "0.7.23")


def rows(marts: Marts, columns: str = "column_name, is_drift, value, reason") -> list[tuple[object, ...]]:
    return marts.connection.execute(
        f"select {columns} from marts.drift_findings order by day, column_name"  # type: ignore[arg-type]
    ).fetchall()


def test_a_second_run_of_a_day_changes_nothing(marts: Marts) -> None:
    assert record_findings(marts.connection, report(FOUND, NONE)) == 2
    before = rows(marts, "*")
    assert record_findings(marts.connection, report(FOUND, NONE)) == 0
    assert rows(marts, "*") == before
    assert rows(marts) == [("latency_ms", True, 0.01, None), ("ttft_ms", False, None, "no_values")]


def test_a_run_after_a_change_replaces_the_day_alone(marts: Marts) -> None:
    record_findings(marts.connection, report(FOUND, NONE))
    record_findings(marts.connection, report(FOUND, day=DAY + timedelta(days=1)))
    assert record_findings(marts.connection, report(replace(FOUND, value=0.5, is_drift=False))) == 2
    assert rows(marts) == [("latency_ms", False, 0.5, None), ("latency_ms", True, 0.01, None)]


def test_days_in_a_row_end_at_a_calm_day_and_at_a_gap(marts: Marts) -> None:
    drifted = [True, True, False, True, None, True, True, True]
    for n, is_drifting in enumerate(drifted):
        if is_drifting is not None:
            found = replace(FOUND, is_drift=is_drifting)
            record_findings(marts.connection, report(found, day=DAY + timedelta(days=n)))
    assert [n for (n,) in rows(marts, "n_days_in_row")] == [1, 2, 0, 1, 1, 2, 3]


@pytest.mark.parametrize(
    ("method", "value", "expected"),
    [
        ("K-S p_value", 0.04, True),
        ("K-S p_value", 0.06, False),
        ("chi-square p_value", 0.01, True),
        ("Z-test p_value", 0.9, False),
        ("Wasserstein distance (normed)", 0.2, True),
        ("Wasserstein distance (normed)", 0.01, False),
        ("Jensen-Shannon distance", 0.05, True),
        ("distance", 0.01, False),
    ],
)
def test_a_small_p_value_is_drift_and_a_small_distance_is_none(
    method: str, value: float, expected: bool
) -> None:
    assert is_drift(method, value=value, threshold=0.05) is expected
