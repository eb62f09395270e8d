"""A day's drift findings as rows of `evaluation.drift_findings`, which marts and alerts read."""

import psycopg

from reports.drift import DriftReport, Finding

LOCK = "select pg_advisory_xact_lock(hashtextextended('evaluation.drift_findings', 0))"
REMOVE = "delete from evaluation.drift_findings where day = %s and column_name <> all(%s)"
PUT = """
insert into evaluation.drift_findings as old (
    day, column_name, kind, method, value, threshold, is_drift, n_current, n_reference, median_current,
    median_reference, reference_from, reason, evidently_version
)
values (
    %(day)s, %(column)s, %(kind)s, %(method)s, %(value)s, %(threshold)s, %(is_drift)s, %(n_current)s,
    %(n_reference)s, %(median_current)s, %(median_reference)s, %(reference_from)s, %(reason)s, %(version)s
)
on conflict (day, column_name) do update set
    kind = excluded.kind,
    method = excluded.method,
    value = excluded.value,
    threshold = excluded.threshold,
    is_drift = excluded.is_drift,
    n_current = excluded.n_current,
    n_reference = excluded.n_reference,
    median_current = excluded.median_current,
    median_reference = excluded.median_reference,
    reference_from = excluded.reference_from,
    reason = excluded.reason,
    evidently_version = excluded.evidently_version,
    computed_at = now()
where row(
    old.kind, old.method, old.value, old.threshold, old.is_drift, old.n_current, old.n_reference,
    old.median_current, old.median_reference, old.reference_from, old.reason, old.evidently_version
) is distinct from row(
    excluded.kind, excluded.method, excluded.value, excluded.threshold, excluded.is_drift, excluded.n_current,
    excluded.n_reference, excluded.median_current, excluded.median_reference, excluded.reference_from,
    excluded.reason, excluded.evidently_version
)
"""


def record_findings(connection: psycopg.Connection, report: DriftReport) -> int:
    """Make the day's rows what the report found; returns how many changed (0: a second run of the same)."""
    with connection.transaction():
        connection.execute(LOCK)
        columns = [finding.column for finding in report.findings]
        n_gone = connection.execute(REMOVE, (report.day, columns)).rowcount
        return n_gone + sum(_put(connection, report, finding) for finding in report.findings)


def _put(connection: psycopg.Connection, report: DriftReport, finding: Finding) -> int:
    values = {
        "day": report.day,
        "column": finding.column,
        "kind": finding.kind,
        "method": finding.method,
        "value": finding.value,
        "threshold": finding.threshold,
        "is_drift": finding.is_drift,
        "n_current": finding.n_current,
        "n_reference": finding.n_reference,
        "median_current": finding.median_current,
        "median_reference": finding.median_reference,
        "reference_from": report.reference_from,
        "reason": finding.reason,
        "version": report.evidently_version,
    }
    return connection.execute(PUT, values).rowcount
