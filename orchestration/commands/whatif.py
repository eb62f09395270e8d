"""`lqo whatif`: recorded traffic at other models' prices or other tiers; nothing is written or asked."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.commands import whatif_replay
from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from reports.whatif.question import Dimension, Terms, Traffic

app = typer.Typer(help="What recorded traffic would have cost at other models, tiers or prices.")
app.command("replay")(whatif_replay.replay)
app.command("frontier")(whatif_replay.frontier)
app.command("replays")(whatif_replay.replays)

Many = list[str] | None


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class Taken(StrEnum):
    """Whether cached input, or reasoning, is taken as recorded or left out."""

    RECORDED = "recorded"
    NONE = "none"


@app.callback(invoke_without_command=True)
def whatif(
    context: typer.Context,
    *,
    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First UTC day.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last UTC day, inclusive.")] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Candidates: MODEL or PROVIDER/MODEL, by commas; `recorded` is each call's own."),
    ] = None,
    tier: Annotated[
        str | None, typer.Option(help="standard, batch, flex …, by commas; default each call's own.")
    ] = None,
    prices_at: Annotated[
        str | None, typer.Option(metavar="DAY", help="Prices of that UTC day; default of each call's own.")
    ] = None,
    ratio: Annotated[
        Many, typer.Option(help="Tokens there for one recorded: NUMBER or MODEL=NUMBER; again. Default 1.")
    ] = None,
    output_ratio: Annotated[
        Many, typer.Option(help="The same for output tokens alone; default as --ratio.")
    ] = None,
    cache: Annotated[
        Taken, typer.Option(help="Cached input: as recorded, or none, all read anew.")
    ] = Taken.RECORDED,
    reasoning: Annotated[
        Taken, typer.Option(help="Reasoning tokens: as recorded, or none.")
    ] = Taken.RECORDED,
    any_length: Annotated[
        bool, typer.Option("--any-length", help="Price calls that are longer than the candidate takes, too.")
    ] = False,
    recorded_model: Annotated[Many, typer.Option(help="Only calls charged as this model; again.")] = None,
    recorded_provider: Annotated[Many, typer.Option(help="Only calls of this provider; again.")] = None,
    project: Annotated[
        Many, typer.Option(help="Only this project, `(none)` for calls of none; again.")
    ] = None,
    environment: Annotated[Many, typer.Option(help="Only this environment; again.")] = None,
    key: Annotated[Many, typer.Option(help="Only calls with this key id; again.")] = None,
    prompt: Annotated[Many, typer.Option(help="Only this named prompt; again.")] = None,
    prompt_version: Annotated[Many, typer.Option(help="Only this version of prompts; again.")] = None,
    purpose: Annotated[
        Many, typer.Option(help="product, demo, judge, replay; again. Default product and demo.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="What rows are told apart by, by commas: day, month, provider, model, tier, project,"
            " environment, key, prompt, prompt_version, purpose."
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
) -> None:
    """Price recorded traffic again as other models, tiers or days would have; nothing is written or asked."""
    if context.invoked_subcommand is not None:
        return
    if first is None or last is None:
        raise UserError("say which days: --from DAY --to DAY", code=2)
    from reports.whatif.question import PRODUCT, Terms, Traffic, WhatIfError

    terms = Terms(
        prices_at=None if prices_at is None else _day(prices_at, option="--prices-at"),
        is_cached=cache is Taken.RECORDED,
        is_reasoning=reasoning is Taken.RECORDED,
        any_length=any_length,
    )
    try:
        traffic = Traffic(
            first=_day(first, option="--from"),
            last=_day(last, option="--to"),
            models=tuple(recorded_model or ()),
            providers=tuple(recorded_provider or ()),
            projects=tuple(project or ()),
            environments=tuple(environment or ()),
            keys=tuple(key or ()),
            prompts=tuple(prompt or ()),
            prompt_versions=tuple(prompt_version or ()),
            purposes=tuple(purpose or PRODUCT),
        )
        _answer(
            traffic,
            terms,
            models=_listed(models),
            tiers=_listed(tier),
            ratios=(ratio or (), output_ratio),
            by=_dimensions(_listed(by)),
            form=form,
        )
    except WhatIfError as error:
        raise UserError(str(error), code=2) from error


def _answer(
    traffic: "Traffic",
    terms: "Terms",
    *,
    models: list[str],
    tiers: list[str],
    ratios: tuple[Sequence[str], Sequence[str] | None],
    by: "tuple[Dimension, ...]",
    form: Format,
) -> None:
    from orchestration.commands.whatif_output import print_answer
    from reports.whatif.candidates import find_candidates, parse_ratios
    from reports.whatif.question import RECORDED, Question
    from reports.whatif.reading import held_rows, reprice, snapshot

    if not (models or tiers or terms.changes_calls):
        raise UserError("say what would be otherwise: --models, --tier, --prices-at, --cache none …", code=2)
    of_input = parse_ratios(ratios[0], option="--ratio")
    of_output = None if ratios[1] is None else parse_ratios(ratios[1], option="--output-ratio")
    with open_warehouse(settings_or_exit()) as connection, snapshot(connection):
        candidates, prices = find_candidates(
            models or [RECORDED],
            tiers=tiers,
            held=held_rows(connection),
            at=datetime.now(UTC),
            input_ratios=of_input,
            output_ratios=of_output,
        )
        question = Question(traffic=traffic, candidates=candidates, terms=terms, by=by)
        with _progress() as on_day:
            totals = reprice(connection, question, prices=prices, on_day=on_day)
    print_answer(question, totals, book_version=prices.book.version, form=form.value)


@contextmanager
def _progress() -> Iterator[Callable[[date, int], None]]:
    """A bar over days on a terminal, silence elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _day, _of: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("pricing", total=None)
        yield lambda day, of: progress.update(task, description=f"pricing {day}", total=of, advance=1)


def _dimensions(names: list[str]) -> "tuple[Dimension, ...]":
    from reports.whatif.question import DIMENSIONS

    for name in names:
        if name not in DIMENSIONS:
            raise UserError(f"--by knows no {name[:80]!r}; there are {', '.join(DIMENSIONS)}", code=2)
    return tuple(known for name in dict.fromkeys(names) for known in DIMENSIONS if known == name)


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _day(text: str, *, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option} must be a day such as 2026-11-01, not {text[:80]!r}", code=2) from None
