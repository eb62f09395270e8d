"""Bridges as the warehouse keeps them: over chosen days, one row for two versions, replaced by the next."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from evaluators.versions.bridge import Bridge, Stratum, build_bridge
from orchestration.transactions import writing
from orchestration.versions.registry import Version, VersionError
from orchestration.versions.shared_calls import Explained, explain, read_shared
from orchestration.windows import Window, day_window

RELATION = "evaluation.bridges"
USUAL_DAYS = 30

SHADOW_DAYS: LiteralString = """
select min(day), max(day) from evaluation.shadow_days where evaluator_version_id = %s
"""

PUT: LiteralString = """
insert into evaluation.bridges as known (
    from_version_id, to_version_id, evaluator, first_day, last_day, n_shared, n_only_from, n_only_to,
    mean_from, mean_to, agreement, agreement_low, agreement_high, kappa, kappa_low, kappa_high,
    shift, shift_low, shift_high, n_flips, details
)
values (
    %(from_id)s, %(to_id)s, %(evaluator)s, %(first_day)s, %(last_day)s, %(n_shared)s, %(n_only_from)s,
    %(n_only_to)s, %(mean_from)s, %(mean_to)s, %(agreement)s, %(agreement_low)s, %(agreement_high)s,
    %(kappa)s, %(kappa_low)s, %(kappa_high)s, %(shift)s, %(shift_low)s, %(shift_high)s, %(n_flips)s,
    %(details)s
)
on conflict (from_version_id, to_version_id) do update
set first_day = excluded.first_day,
    last_day = excluded.last_day,
    n_shared = excluded.n_shared,
    n_only_from = excluded.n_only_from,
    n_only_to = excluded.n_only_to,
    mean_from = excluded.mean_from,
    mean_to = excluded.mean_to,
    agreement = excluded.agreement,
    agreement_low = excluded.agreement_low,
    agreement_high = excluded.agreement_high,
    kappa = excluded.kappa,
    kappa_low = excluded.kappa_low,
    kappa_high = excluded.kappa_high,
    shift = excluded.shift,
    shift_low = excluded.shift_low,
    shift_high = excluded.shift_high,
    n_flips = excluded.n_flips,
    details = excluded.details,
    computed_at = now()
-- The same figures again leave the row as it is.
where (
    known.first_day, known.last_day, known.n_shared, known.n_only_from, known.n_only_to, known.shift,
    known.agreement, known.details
) is distinct from (
    excluded.first_day, excluded.last_day, excluded.n_shared, excluded.n_only_from, excluded.n_only_to,
    excluded.shift, excluded.agreement, excluded.details
)
"""

DROP_STRATA: LiteralString = """
delete from evaluation.bridge_strata where from_version_id = %s and to_version_id = %s
"""

PUT_STRATUM: LiteralString = """
insert into evaluation.bridge_strata (
    from_version_id, to_version_id, dimension, stratum, n_shared, agreement, kappa, shift, shift_low,
    shift_high
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True)
class BridgeReport:
    """A bridge with where it comes from; `explained` tells of its examples by call id.

    `n_shared` is more than `bridge.n` where only a sample of the shared calls was compared.
    """

    before: Version
    after: Version
    first_day: date
    last_day: date
    bridge: Bridge
    n_shared: int
    n_only_from: int
    n_only_to: int
    explained: dict[str, Explained]


def bridge_versions(
    connection: Connection[TupleRow],
    *,
    before: Version,
    after: Version,
    first_day: date | None = None,
    last_day: date | None = None,
    now: datetime | None = None,
) -> BridgeReport:
    """Compare two versions over the calls of these days that both scored, and keep the result.

    Without days: those over which the later version was shadow-scored, else the last 30. Raises VersionError
    for versions of two evaluators, or of one and the same version.
    """
    if before.evaluator != after.evaluator or before.id == after.id:
        raise VersionError(f"a bridge leads between two versions of one evaluator, not {before} and {after}")
    with writing(connection, relation=RELATION):
        first, last = _days(connection, after, first_day, last_day, now=now)
        window = Window(day_window(first).start, day_window(last).end)
        shared = read_shared(connection, before=before, after=after, window=window)
        bridge = build_bridge(shared.calls)
        report = BridgeReport(
            before=before,
            after=after,
            first_day=first,
            last_day=last,
            bridge=bridge,
            n_shared=shared.n_shared,
            n_only_from=shared.n_only_from,
            n_only_to=shared.n_only_to,
            explained=explain(
                connection,
                [call.call_id for call in bridge.examples],
                before=before,
                after=after,
                window=window,
            ),
        )
        _keep(connection, report)
    return report


def _days(
    connection: Connection[TupleRow],
    after: Version,
    first: date | None,
    last: date | None,
    *,
    now: datetime | None,
) -> tuple[date, date]:
    today = (now or datetime.now(UTC)).date()
    shadowed = connection.execute(SHADOW_DAYS, (after.id,)).fetchone() or (None, None)
    usual_last: date = shadowed[1] or today
    last_day = last or usual_last
    usual_first: date = shadowed[0] or last_day - timedelta(days=USUAL_DAYS - 1)
    first_day = first or min(usual_first, last_day)
    if first_day > last_day:
        raise VersionError(f"the first day {first_day} is after the last, {last_day}")
    return first_day, last_day


def _keep(connection: Connection[TupleRow], report: BridgeReport) -> None:
    bridge = report.bridge
    figures = {
        "mean_from": bridge.mean_from.value,
        "mean_to": bridge.mean_to.value,
        **{
            f"{name}{end}": getattr(estimate, part)
            for name, estimate in (
                ("agreement", bridge.agreement),
                ("kappa", bridge.kappa),
                ("shift", bridge.shift),
            )
            for end, part in (("", "value"), ("_low", "low"), ("_high", "high"))
        },
    }
    connection.execute(
        PUT,
        {
            "from_id": report.before.id,
            "to_id": report.after.id,
            "evaluator": report.before.evaluator,
            "first_day": report.first_day,
            "last_day": report.last_day,
            "n_shared": report.n_shared,
            "n_only_from": report.n_only_from,
            "n_only_to": report.n_only_to,
            "n_flips": bridge.n_flips,
            "details": Jsonb(_details(bridge)),
            **{name: known(value) for name, value in figures.items()},
        },
    )
    _keep_strata(connection, report, bridge.strata)


def _keep_strata(connection: Connection[TupleRow], report: BridgeReport, strata: Iterable[Stratum]) -> None:
    pair = (report.before.id, report.after.id)
    connection.execute(DROP_STRATA, pair)
    for stratum in strata:
        figures = (
            stratum.agreement.value,
            stratum.kappa.value,
            stratum.shift.value,
            stratum.shift.low,
            stratum.shift.high,
        )
        row = (*pair, stratum.dimension, stratum.name, stratum.n, *map(known, figures))
        connection.execute(PUT_STRATUM, row)


def _details(bridge: Bridge) -> dict[str, object]:
    """Ids and verdicts alone: people's text stays where its own grants and retention are."""
    return {
        "n_compared": bridge.n,
        "flips": [{"from": one, "to": other, "n": n} for one, other, n in bridge.flips[:100]],
        "examples": [
            {"call_id": call.call_id, "from": call.verdicts[0], "to": call.verdicts[1]}
            for call in bridge.examples
        ],
    }


def known(value: float) -> float | None:
    """None for NaN: what is unknown is NULL, never a number."""
    return value if isfinite(value) else None
