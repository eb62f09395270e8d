"""`lqo whatif replay` and `frontier`: a sample asked through other models, and who is better for less."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import psycopg
import typer

from ingest.database.connect import DatabaseUnavailable, connect
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.commands.errors import UserError
from orchestration.commands.spreadsheet import as_csv
from orchestration.commands.warehouse import open_database, settings_or_exit

if TYPE_CHECKING:
    from orchestration.counterfactual.request import Replay
    from orchestration.counterfactual.run import Replayed
    from reports.frontier.figures import Frontier

Form = Annotated[Literal["table", "csv", "json"], typer.Option("--format", help="How to print it.")]
Chart = Annotated[Path | None, typer.Option(help="Also draw the frontier into this SVG file.")]


def replay(
    *,
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First UTC day of the calls.")],
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last UTC day, inclusive.")],
    models: Annotated[
        str, typer.Option(help="Candidates, by commas: aliases of `lqo models`, or models at --base-url.")
    ],
    max_usd: Annotated[
        str, typer.Option(metavar="USD", help="What all requests together may cost, judges included.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print prompts, models and about USD; ask and write nothing.")
    ] = False,
    sample: Annotated[int, typer.Option(help="How many prompts, at most.")] = 200,
    seed: Annotated[int, typer.Option(help="Another one draws another sample.")] = 1,
    by: Annotated[
        str, typer.Option(help="Strata, by commas: model, prompt, project, environment.")
    ] = "model",
    project: Annotated[str | None, typer.Option(help="Only calls of this project.")] = None,
    source_model: Annotated[str | None, typer.Option(help="Only calls that asked for this model.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Where candidates are that are no alias.")] = None,
    secret: Annotated[str | None, typer.Option(help="Their key: env:NAME or file:/path.")] = None,
    judge: Annotated[
        str | None, typer.Option(help="A judge of `lqo judges`, an alias, or a model; default the rubric's.")
    ] = None,
    judge_base_url: Annotated[str | None, typer.Option(help="Where the judge is.")] = None,
    judge_secret: Annotated[str | None, typer.Option(help="The judge's key.")] = None,
    judge_parameter: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the judge: temperature, max_tokens …; again.")
    ] = None,
    rubric: Annotated[list[str] | None, typer.Option(help="A shipped rubric or a file.md; again.")] = None,
    allow_same_model: Annotated[
        bool, typer.Option("--allow-same-model", help="A judge may judge its own model.")
    ] = False,
    max_tokens: Annotated[int, typer.Option(help="Of each answer.")] = 1_024,
    max_tokens_field: Annotated[
        str, typer.Option(help="What the candidates call that: max_tokens or max_completion_tokens.")
    ] = "max_tokens",
    temperature: Annotated[float | None, typer.Option(help="Of the candidates.")] = None,
    concurrency: Annotated[int, typer.Option(help="Requests at once.")] = 8,
    chart: Chart = None,
    form: Form = "table",
) -> None:
    """Replay a sample of recorded prompts through other models, judged as the recorded answers are."""
    from orchestration.counterfactual.errors import ReplayError
    from orchestration.counterfactual.request import Replay, Where, read_day, read_usd

    settings = settings_or_exit()
    try:
        asked = Replay(
            first_day=read_day(first),
            last_day=read_day(last),
            models=_listed(models),
            max_usd=read_usd(max_usd),
            sample=sample,
            seed=seed,
            strata=_listed(by),
            project=project,
            source_model=source_model,
            models_at=Where(base_url, secret),
            judge=judge,
            judge_at=Where(judge_base_url, judge_secret),
            judge_parameters=tuple(judge_parameter or ()),
            rubrics=tuple(rubric or ()),
            allows_same_model=allow_same_model,
            max_tokens=max_tokens,
            max_tokens_field=max_tokens_field,
            temperature=temperature,
            concurrency=concurrency,
        )
        asked.check()
    except ReplayError as error:
        raise UserError(str(error), code=2) from error
    with _open(settings) as (url, connection):
        if dry_run:
            _forecast(connection, asked, settings, form=form)
        else:
            _replay(connection, asked, settings, url=url, chart=chart, form=form)


def frontier(
    replay_id: Annotated[str, typer.Argument(help="The replay's id, its beginning, or `last`.")] = "last",
    *,
    chart: Chart = None,
    form: Form = "table",
) -> None:
    """Show the cost–quality frontier of a replay."""
    from orchestration.counterfactual.history import find_frontiers

    with _open(settings_or_exit()) as (_, connection):
        found = find_frontiers(connection, replay_id)
    _show(found, chart=chart, form=form)


def replays(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print it.")] = "table",
) -> None:
    """Show the newest replays and what they have cost."""
    from orchestration.counterfactual.history import list_replays

    with _open(settings_or_exit()) as (_, connection):
        found = list_replays(connection, limit=limit)
    if form == "json":
        typer.echo(msgspec.json.encode(found).decode())
        return
    if not found:
        typer.echo("no replays yet (`lqo whatif replay --help`)")
    for each in found:
        typer.echo(
            f"{each.replay_id}  {each.started_at:%Y-%m-%d %H:%M}  {each.outcome or 'unfinished':13}"
            f"  ${each.spent_usd:,.4f} of ${each.max_usd:,f}  {each.n_drawn:,} prompts through"
            f" {', '.join(each.models)}"
        )


def _forecast(connection: psycopg.Connection, asked: "Replay", settings: Settings, *, form: str) -> None:
    from orchestration.counterfactual.run import forecast
    from orchestration.counterfactual.wording import forecast_lines

    found = forecast(connection, asked, settings=settings)
    if form == "table":
        typer.echo("\n".join(forecast_lines(found)))
        return
    lines = [msgspec.to_builtins(line) for line in found.lines]
    if form == "json":
        told = {"n_prompts": len(found.sampled.prompts), "usd": found.usd, "max_usd": found.max_usd}
        typer.echo(msgspec.json.encode({**told, "lines": lines}).decode())
        return
    typer.echo(as_csv(list(lines[0]), lines), nl=False)


def _replay(
    connection: psycopg.Connection,
    asked: "Replay",
    settings: Settings,
    *,
    url: DatabaseUrl,
    chart: Path | None,
    form: str,
) -> None:
    from orchestration.counterfactual.history import find_frontiers
    from orchestration.counterfactual.run import replay_sample
    from reports.frontier.page import write_frontier_page

    done = replay_sample(connection, asked, settings=settings, note=_note)
    found = find_frontiers(connection, str(done.replay_id))
    _show(found, chart=chart, form=form)
    try:
        page = write_frontier_page(found, out_dir=settings.reports)
    except OSError as error:
        raise UserError(f"the page cannot be written: {error.strerror or error}", code=2) from error
    typer.echo(f"page {page}", err=form != "table")
    if (settings.dagster / "dagster.yaml").exists():
        _tell_dagster(settings, url, done, found, page=page)


def _tell_dagster(
    settings: Settings, url: DatabaseUrl, done: "Replayed", found: "list[Frontier]", *, page: Path
) -> None:
    """Leave the replay in the asset's history. An instance that nobody ever looked at is not made for it."""
    from orchestration.counterfactual.telling import metadata_of, report_to_dagster

    try:
        report_to_dagster(settings, url, metadata_of(done, found, page=page))
    except Exception as error:  # the replay is done and kept, whatever is wrong with Dagster
        why = " ".join(str(error).split())[:300]
        typer.echo(f"the replay is kept, but Dagster was not told: {why}", err=True)


def _show(found: "list[Frontier]", *, chart: Path | None, form: str) -> None:
    from orchestration.counterfactual.wording import frontier_lines, rows_of, spent_line
    from reports.frontier.chart import frontier_svg

    if chart is not None:
        try:
            chart.write_text(frontier_svg(found[0]), encoding="utf-8")
        except OSError as error:
            raise UserError(f"{chart} cannot be written: {error.strerror or error}", code=2) from error
    if form == "json":
        typer.echo(msgspec.json.encode(found).decode())
    elif form == "csv":
        rows = rows_of(found)
        typer.echo(as_csv(list(rows[0]), rows), nl=False)
    else:
        for each in found:
            typer.echo("\n".join(frontier_lines(each)) + "\n")
        typer.echo(spent_line(found[0]))


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


@contextmanager
def _open(settings: Settings) -> Iterator[tuple[DatabaseUrl, psycopg.Connection]]:
    """A connection that commits by itself; what a person can act on is one line."""
    from orchestration.counterfactual.errors import ReplayError

    try:
        with open_database(settings) as url, connect(url, autocommit=True) as connection:
            yield url, connection
    except (ReplayError, DatabaseUnavailable) as error:
        raise UserError(str(error), code=2) from error
    except psycopg.OperationalError as error:
        raise UserError(f"the database went away: {error}", code=2) from error


def _note(text: str) -> None:
    """Progress, for people who watch."""
    if sys.stderr.isatty():
        typer.echo(text, err=True)
