"""`lqo evaluators`: versions of rules and judges, from draft to current, without a broken line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from orchestration.commands.errors import UserError
from orchestration.commands.evaluator_words import details_of, number, plain, spans_of
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from orchestration.versions.registry import Version

app = typer.Typer(no_args_is_help=True, help="Versions of evaluators: shadow, bridge, promote, retire.")

VersionName = Annotated[
    str, typer.Argument(metavar="VERSION", help="A version, EVALUATOR@VERSION, or the beginning of one.")
]
FirstDay = Annotated[str, typer.Option("--from", metavar="DAY", help="First UTC day, such as 2026-11-01.")]
LastDay = Annotated[str, typer.Option("--to", metavar="DAY", help="Last UTC day, inclusive.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _evaluators() -> None:
    """Versions of evaluators: a new one is a draft, shadow-scored, bridged, and promoted from a day on."""


@app.command("list")
def list_(
    evaluator: Annotated[str | None, typer.Argument(help="Only this evaluator.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show all versions, their status and the days they are current on."""
    from orchestration.versions.registry import list_versions

    with _open() as connection:
        versions = list_versions(connection, evaluator=evaluator)
        spans = spans_of(connection, versions)
    if as_json:
        typer.echo(json.dumps([plain(version, spans) for version in versions], ensure_ascii=False))
        return
    if not versions:
        typer.echo("no versions yet: rules are registered with the first calls that they judge")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("evaluator", "version", "kind", "status", "current"):
        table.add_column(name, overflow="fold")
    for each in versions:
        table.add_row(each.evaluator, each.version, each.kind, each.status, "; ".join(spans.get(each.id, [])))
    console = Console()
    (console if console.is_terminal else Console(width=10_000)).print(table, markup=False)


@app.command()
def show(version: VersionName, as_json: AsJson = False) -> None:
    """Show a version: its days, its shadow days, its bridges."""
    from orchestration.versions.registry import find_version

    with _open() as connection:
        found = find_version(connection, version)
        spans = spans_of(connection, [found])
        details = details_of(connection, found)
    if as_json:
        typer.echo(json.dumps(plain(found, spans) | details, ensure_ascii=False))
        return
    typer.echo(f"{found}  {found.kind}  {found.status}")
    if found.description:
        typer.echo(found.description)
    typer.echo(f"current: {'; '.join(spans.get(found.id, [])) or 'on no day'}")
    if details["shadow_days"]:
        typer.echo(f"shadow-scored: {', '.join(details['shadow_days'])}")
    for bridge in details["bridges"]:
        typer.echo(
            f"bridge {bridge['from']} → {bridge['to']}: {bridge['n_shared']:,} shared calls, "
            f"kappa {number(bridge['kappa'])}, shift {number(bridge['shift'])}"
        )


@app.command()
def shadow(version: VersionName, first: FirstDay, last: LastDay) -> None:
    """Let a draft score days without touching any line; what it has scored already is not asked again."""
    from orchestration.versions.registry import find_version
    from orchestration.versions.shadow_runs import shadow_days

    from_day, to_day = _days(first, last)
    settings = settings_or_exit()
    with _open() as connection:
        found = find_version(connection, version)
        said = shadow_days(
            connection, found, first_day=from_day, last_day=to_day, redis_url=settings.redis_url
        )
    typer.echo(f"{found}: {said}")


@app.command()
def bridge(
    version: VersionName,
    since: Annotated[
        str | None, typer.Option("--against", help="The older version; default the one it would replace.")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First UTC day.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last UTC day.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a version with the one before it on the calls both have scored; writes a page."""
    from orchestration.versions.bridge_report import summary, to_json, write_page
    from orchestration.versions.bridging import bridge_versions
    from orchestration.versions.registry import find_version

    settings = settings_or_exit()
    with _open() as connection:
        after = find_version(connection, version)
        before = find_version(connection, since) if since else _predecessor(connection, after)
        report = bridge_versions(
            connection,
            before=before,
            after=after,
            first_day=None if first is None else _day(first, option="--from"),
            last_day=None if last is None else _day(last, option="--to"),
        )
    path = write_page(report, out_dir=settings.reports)
    if as_json:
        typer.echo(json.dumps(to_json(report) | {"page": str(path)}, ensure_ascii=False))
        return
    typer.echo(summary(report))
    typer.echo(f"page: {path}")


@app.command()
def promote(
    version: VersionName,
    first: FirstDay,
    without_bridge: Annotated[
        bool,
        typer.Option("--without-bridge", help="Promote although fewer than 200 shared calls are bridged."),
    ] = False,
    with_gaps: Annotated[
        bool, typer.Option("--with-gaps", help="Promote although calls of earlier days lack its scores.")
    ] = False,
) -> None:
    """Make a version current from a day on; earlier days keep their line."""
    from orchestration.versions.promoting import promote as promote_version
    from orchestration.versions.registry import find_version
    from orchestration.versions.seats import seat_judges

    from_day = _day(first, option="--from")
    with _open() as connection:
        found = find_version(connection, version)
        done = promote_version(
            connection,
            found,
            from_day=from_day,
            is_bridge_waived=without_bridge,
            are_gaps_waived=with_gaps,
        )
        switched = seat_judges(connection)
    for warning in done.warnings:
        typer.echo(f"warning: {warning}", err=True)
    for old, new in switched:
        typer.echo(f"judge {new} is asked from now on, {old} no more")
    if not done.is_changed:
        typer.echo(f"{found} is current from {from_day} on already; nothing changed")
        return
    typer.echo(f"{found} is current from {from_day} on")
    if done.restated:
        typer.echo(
            f"{len(done.restated)} days that were over are shown by it now"
            f" ({done.restated[0]} to {done.restated[-1]}; evaluation.restatements)"
        )


@app.command()
def retire(
    version: VersionName,
    first: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="From which UTC day on; default tomorrow.")
    ] = None,
) -> None:
    """End a version without a successor, or put a draft away; what it has said stays."""
    from orchestration.versions.promoting import retire as retire_version
    from orchestration.versions.registry import find_version

    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    from_day = tomorrow if first is None else _day(first, option="--from")
    with _open() as connection:
        found = find_version(connection, version)
        is_changed = retire_version(connection, found, from_day=from_day)
    if not is_changed:
        typer.echo(f"{found} is not current from {from_day} on; nothing changed")
    elif found.status in ("draft", "shadow"):
        typer.echo(f"{found} is retired")
    else:
        typer.echo(f"{found} judges no call of {from_day} or later")


@contextmanager
def _open() -> Iterator[psycopg.Connection]:
    """The warehouse; what cannot be done to a version is bad usage."""
    from orchestration.versions.registry import VersionError

    with open_warehouse(settings_or_exit()) as connection:
        try:
            yield connection
        except VersionError as error:
            raise UserError(str(error), code=2) from error


def _predecessor(connection: psycopg.Connection, version: "Version") -> "Version":
    """The version that is current now, or the one whose place this one took."""
    from orchestration.versions.periods import periods_of
    from orchestration.versions.registry import VersionError, list_versions

    with connection.transaction():
        ids = [period.version_id for period in periods_of(connection, version.evaluator)]
    earlier = ids[: ids.index(version.id)] if version.id in ids else ids
    if not earlier:
        raise VersionError(f"{version} has no version before it; name one with --against")
    return next(
        each for each in list_versions(connection, evaluator=version.evaluator) if each.id == earlier[-1]
    )


def _days(first: str, last: str) -> tuple[date, date]:
    from_day, to_day = _day(first, option="--from"), _day(last, option="--to")
    if from_day > to_day:
        raise UserError(f"--from {from_day} is after --to {to_day}", code=2)
    return from_day, to_day


def _day(text: str, *, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option} must be a day such as 2026-11-01, not {text!r}", code=2) from None
