"""What a version is, in words and in plain values."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from orchestration.versions.periods import Period
    from orchestration.versions.registry import Version


def spans_of(connection: psycopg.Connection, versions: "list[Version]") -> dict[int, list[str]]:
    """The spans that each version is current in, in words."""
    from orchestration.versions.periods import periods_of

    spans: dict[int, list[str]] = {}
    with connection.transaction():
        for evaluator in sorted({version.evaluator for version in versions}):
            for period in periods_of(connection, evaluator):
                spans.setdefault(period.version_id, []).append(_words(period))
    return spans


def _words(period: "Period") -> str:
    start = "since ever" if period.start is None else f"from {_moment(period.start)}"
    return start if period.end is None else f"{start} until {_moment(period.end)}"


def _moment(moment: datetime) -> str:
    """A day where it is its first moment, else to the second."""
    at = moment.astimezone(UTC)
    return f"{at:%Y-%m-%d}" if not (at.hour or at.minute or at.second) else f"{at:%Y-%m-%d %H:%M:%S}"


def details_of(connection: psycopg.Connection, version: "Version") -> dict[str, Any]:
    """The days that it was shadow-scored over, and the bridges that lead to it and from it."""
    with connection.transaction():
        days = connection.execute(
            "select day, n_scored from evaluation.shadow_days where evaluator_version_id = %s order by day",
            (version.id,),
        ).fetchall()
        bridges = connection.execute(
            "select ones.version, others.version, n_shared, agreement, kappa, shift, shift_low, shift_high"
            " from evaluation.bridges"
            " inner join evaluation.evaluator_versions as ones on ones.id = from_version_id"
            " inner join evaluation.evaluator_versions as others on others.id = to_version_id"
            " where %(id)s in (from_version_id, to_version_id) order by computed_at",
            {"id": version.id},
        ).fetchall()
    names = ("from", "to", "n_shared", "agreement", "kappa", "shift", "shift_low", "shift_high")
    return {
        "shadow_days": [day.isoformat() for day, _ in days],
        "n_shadow_scored": sum(n for _, n in days),
        "bridges": [dict(zip(names, row, strict=True)) for row in bridges],
    }


def plain(version: "Version", spans: dict[int, list[str]]) -> dict[str, Any]:
    """The version for JSON."""
    return {
        "id": version.id,
        "evaluator": version.evaluator,
        "version": version.version,
        "kind": version.kind,
        "status": version.status,
        "description": version.description,
        "current": spans.get(version.id, []),
    }


def number(value: float | None) -> str:
    """Three decimals; NULL is unknown, not 0."""
    return "unknown" if value is None else f"{value:.3f}"
