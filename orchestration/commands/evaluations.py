"""`lqo eval`: a dataset through a model, judged against another one; the gate of a release."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import msgspec
import psycopg
import typer

from ingest.database.connect import DatabaseUnavailable, connect
from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_database, settings_or_exit

if TYPE_CHECKING:
    from orchestration.comparison.history import ItemRow
    from orchestration.comparison.request import Request
    from orchestration.comparison.summary import Summary

app = typer.Typer(no_args_is_help=True, help="Compare models on a dataset; fail a release that is worse.")

NOT_JUDGED = 2
"""Exit status of all that keeps a gate from being judged: bad usage, a metric without a figure, an outage."""

Model = Annotated[str | None, typer.Option(help="The candidate: an alias of `lqo models`, or a model.")]
Temperature = Annotated[float | None, typer.Option(min=0, max=2, help="Of the models that are asked.")]
Coverage = Annotated[float, typer.Option(min=0, max=1, help="A lower scored share fails the gate.")]
Markdown = Annotated[Path | None, typer.Option(help="Also write a summary for a pull request.")]
Form = Annotated[Literal["table", "json"], typer.Option("--format", help="How to print it.")]


@app.callback()
def _eval() -> None:
    """Compare models on a dataset; fail a release that is worse."""


@app.command()
def run(
    dataset: Annotated[
        str | None, typer.Argument(help="JSONL: prompt, messages or turns; reference, context; - is stdin.")
    ] = None,
    *,
    model: Model = None,
    answers: Annotated[Path | None, typer.Option(help="Recorded answers of the candidate.")] = None,
    baseline: Annotated[str | None, typer.Option(help="What it is compared with, as --model.")] = None,
    baseline_answers: Annotated[Path | None, typer.Option(help="Recorded answers of the baseline.")] = None,
    baseline_recorded: Annotated[
        bool, typer.Option("--baseline-recorded", help="The baseline is the dataset's own answers.")
    ] = False,
    base_url: Annotated[str | None, typer.Option(help="Where models are that are no alias.")] = None,
    secret: Annotated[str | None, typer.Option(help="Their key: env:NAME or file:/path.")] = None,
    baseline_base_url: Annotated[str | None, typer.Option(help="Where the baseline is.")] = None,
    baseline_secret: Annotated[str | None, typer.Option(help="The baseline's key.")] = None,
    judge: Annotated[
        str | None, typer.Option(help="A judge of `lqo judges`, an alias, or a model; default the rubric's.")
    ] = None,
    judge_base_url: Annotated[str | None, typer.Option(help="Where the judge is.")] = None,
    judge_secret: Annotated[str | None, typer.Option(help="The judge's key.")] = None,
    judge_parameter: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the judge: temperature, max_tokens, output …")
    ] = None,
    rubric: Annotated[list[str] | None, typer.Option(help="A shipped rubric or a file.md; again.")] = None,
    pairwise: Annotated[
        bool, typer.Option("--pairwise", help="Compare in pairs, too, both orders, by the first rubric.")
    ] = False,
    no_grades: Annotated[bool, typer.Option("--no-grades", help="Only compare in pairs.")] = False,
    allow_same_model: Annotated[
        bool, typer.Option("--allow-same-model", help="A judge may judge its own model.")
    ] = False,
    from_calls: Annotated[
        bool, typer.Option("--from-calls", help="The dataset is a sample of the recorded calls.")
    ] = False,
    from_sessions: Annotated[
        bool, typer.Option("--from-sessions", help="The dataset is a sample of the recorded sessions.")
    ] = False,
    days: Annotated[int, typer.Option(min=1, max=366, help="Of how many whole UTC days.")] = 7,
    sample: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 200,
    project: Annotated[str | None, typer.Option(help="Only calls of this project.")] = None,
    source_model: Annotated[str | None, typer.Option(help="Only calls that asked for this model.")] = None,
    temperature: Temperature = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Of each of their answers.")] = None,
    fail_if: Annotated[
        list[str] | None, typer.Option(help="Such as overall<-0.1 or win_rate.low<0.4; several allowed.")
    ] = None,
    min_prompts: Annotated[int, typer.Option(min=2, help="Fewer measured prompts fail the gate.")] = 20,
    min_coverage: Coverage = 0.8,
    require_calibrated: Annotated[
        bool, typer.Option("--require-calibrated", help="Fail unless people's labels bear the judge out.")
    ] = False,
    name: Annotated[
        str, typer.Option("--run", help="Only answers of runs of this name are taken over, say a commit.")
    ] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask the models everything anew.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Requests at once.")] = 8,
    markdown: Markdown = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Judge a model on a dataset. Exit 0: the gate passes, 1: it fails, 2: it cannot be judged."""
    from orchestration.comparison.request import Request, Where

    request = Request(
        dataset=dataset,
        model=model,
        answers=answers,
        baseline=baseline,
        baseline_answers=baseline_answers,
        is_baseline_recorded=baseline_recorded,
        models_at=Where(base_url, secret),
        baseline_at=Where(baseline_base_url, baseline_secret),
        judge=judge,
        judge_at=Where(judge_base_url, judge_secret),
        judge_parameters=tuple(judge_parameter or ()),
        rubrics=tuple(rubric or ()),
        is_pairwise=pairwise,
        is_graded=not no_grades,
        allows_same_model=allow_same_model,
        sampled="calls" if from_calls else "sessions" if from_sessions else None,
        days=days,
        sample=sample,
        project=project,
        source_model=source_model,
        temperature=temperature,
        max_tokens=max_tokens,
        fail_if=tuple(fail_if or ()),
        min_prompts=min_prompts,
        min_coverage=min_coverage,
        needs_calibration=require_calibrated,
        name=name,
        is_fresh=fresh,
        concurrency=concurrency,
    )
    summary = _run(request)
    if markdown is not None:
        _write(markdown, summary)
    _print(summary, form="json" if as_json else "table")
    if summary.problem is not None:
        raise UserError(f"the gate cannot be judged: {summary.problem}", code=NOT_JUDGED)
    raise typer.Exit(1 if summary.outcome == "failed" else 0)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20, form: Form = "table"
) -> None:
    """Show the newest runs."""
    from orchestration.comparison.history import list_runs

    with _open() as connection:
        runs = list_runs(connection, limit=limit)
    if form == "json":
        typer.echo(msgspec.json.encode(runs).decode())
        return
    if not runs:
        typer.echo("no runs yet (`lqo eval run --help`)")
    for each in runs:
        sides = each.candidate if each.baseline is None else f"{each.candidate} against {each.baseline}"
        named = f" ({each.name})" if each.name else ""
        typer.echo(
            f"{each.run_id}  {each.started_at:%Y-%m-%d %H:%M}  {each.outcome or 'unfinished':10}"
            f"  {each.n_items:>6} items  {sides} on {each.dataset}{named}"
        )


@app.command()
def show(
    run_id: Annotated[str, typer.Argument(help="The run's id, its beginning, or `last`.")] = "last",
    items: Annotated[bool, typer.Option("--items", help="Also show every item.")] = False,
    markdown: Markdown = None,
    form: Form = "table",
) -> None:
    """Show what a run found."""
    from orchestration.comparison.history import RunUnknownError, find_summary, list_items

    with _open() as connection:
        try:
            summary = find_summary(connection, run_id)
        except RunUnknownError as error:
            raise UserError(str(error), code=2) from error
        rows = list_items(connection, UUID(summary.run_id)) if items else []
    if markdown is not None:
        _write(markdown, summary)
    if form == "json":
        shown = msgspec.to_builtins(summary)
        typer.echo(
            json.dumps({**shown, "items": msgspec.to_builtins(rows)} if items else shown, ensure_ascii=False)
        )
        return
    _print(summary, form="table")
    for row in rows:
        typer.echo(_item_line(row))


def _item_line(row: "ItemRow") -> str:
    now = {**row.candidate_unscored, **row.candidate_grades}
    before = {**(row.baseline_unscored or {}), **(row.baseline_grades or {})}
    told = ", ".join(
        f"{rubric} {before[rubric]} → {grade}" if rubric in before else f"{rubric} {grade}"
        for rubric, grade in sorted(now.items())
    )
    return f"{row.item_id}  {told}{'  pair: ' + ' / '.join(row.winners) if row.winners else ''}"


def _run(request: "Request") -> "Summary":
    from orchestration.comparison.planning import carry_out
    from orchestration.comparison.request import RequestError

    settings = settings_or_exit()
    try:
        request.check()
        with open_database(settings) as url, connect(url, autocommit=True) as connection:
            return carry_out(connection, request, settings=settings, note=_note)
    except (RequestError, DatabaseUnavailable) as error:
        raise UserError(str(error), code=NOT_JUDGED) from error
    except psycopg.OperationalError as error:
        raise UserError(f"the database went away: {error}", code=NOT_JUDGED) from error


@contextmanager
def _open() -> Iterator[psycopg.Connection]:
    with open_database(settings_or_exit()) as url, connect(url) as connection:
        yield connection


def _print(summary: "Summary", *, form: Literal["table", "json"]) -> None:
    from orchestration.comparison.report import as_text

    typer.echo(msgspec.json.encode(summary).decode() if form == "json" else as_text(summary))


def _write(path: Path, summary: "Summary") -> None:
    from orchestration.comparison.report import as_markdown

    try:
        path.write_text(as_markdown(summary), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}", code=2) from error


def _note(text: str) -> None:
    """Progress, for people who watch."""
    if sys.stderr.isatty():
        typer.echo(text, err=True)
