"""`lqo models`: which provider and model stands behind each name that clients ask for."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Literal

import msgspec
import psycopg
import typer
from rich.console import Console
from rich.table import Table

from ingest.access import models as table
from ingest.access.secrets import Missing, read_secret
from ingest.access.snapshot import ModelRow
from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_access, settings_or_exit

app = typer.Typer(no_args_is_help=True, help="Models that clients ask for, and what stands behind them.")

Alias = Annotated[str, typer.Argument(help="The name that clients ask for.")]
Position = Annotated[int | None, typer.Argument(help="Which target of the alias; see `lqo models list`.")]
Provider = Annotated[str, typer.Option(help="Whose model it is: openai, anthropic, google, mistral …")]
Model = Annotated[str, typer.Option(help="The model's name at the provider.")]
Wire = Annotated[
    str | None, typer.Option(help="Protocol: openai, anthropic, gemini or azure; one for all of an alias.")
]
BaseUrl = Annotated[str | None, typer.Option(help="Where the provider is, as its SDK takes it.")]
Secret = Annotated[
    str | None, typer.Option(help="The provider's key: env:NAME or file:/path, read by the proxy.")
]
Tier = Annotated[int | None, typer.Option(help="Fallback goes tier by tier; equal tiers share the calls.")]
Weight = Annotated[int | None, typer.Option(help="Share of the calls inside a tier.")]
Deadline = Annotated[float | None, typer.Option(help="Seconds until the first byte must be here.")]
Requests = Annotated[int | None, typer.Option(help="Most requests a minute; further calls go on.")]
Tokens = Annotated[int | None, typer.Option(help="Most tokens a minute; further calls go on.")]


@app.callback()
def _models() -> None:
    """Models that clients ask for, and what stands behind them; a running proxy follows within 2 s."""


@app.command("list")
def list_(
    alias: Annotated[str | None, typer.Argument(help="Only this alias.")] = None,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print it.")] = "table",
) -> None:
    """Show all targets in the order of trial."""
    with _open() as connection:
        rows = table.list_models(connection, alias)
    if form == "json":
        typer.echo(json.dumps(msgspec.to_builtins(rows), ensure_ascii=False))
        return
    if not rows:
        typer.echo("no models: every call passes straight to its provider (`lqo models add --help`)")
        return
    _print(rows)


@app.command()
def add(
    alias: Alias,
    *,
    provider: Provider,
    model: Model,
    wire: Wire = None,
    base_url: BaseUrl = None,
    secret: Secret = None,
    position: Annotated[int | None, typer.Option(help="Its number; default the next.")] = None,
    tier: Tier = None,
    weight: Weight = None,
    deadline: Deadline = None,
    max_requests: Requests = None,
    max_tokens: Tokens = None,
    is_disabled: Annotated[bool, typer.Option("--disabled", help="Add it without using it.")] = False,
) -> None:
    """Add a target to an alias, by default as its last fallback."""
    with _open() as connection:
        row = table.add_model(
            connection,
            alias,
            provider=provider,
            model=model,
            wire=wire,
            base_url=base_url,
            position=position,
            tier=tier,
            secret_ref=secret,
            weight=weight,
            deadline_seconds=deadline,
            max_requests_per_minute=max_requests,
            max_tokens_per_minute=max_tokens,
            is_enabled=False if is_disabled else None,
        )
        is_priced = _copy_prices(connection, row)
    typer.echo(f"added {_line(row)}")
    _warn(row, is_priced=is_priced)


@app.command("set")
def set_(
    alias: Alias,
    position: Position = None,
    *,
    provider: Annotated[str | None, typer.Option(help="Whose model it is.")] = None,
    model: Annotated[str | None, typer.Option(help="The model's name at the provider.")] = None,
    wire: Wire = None,
    base_url: BaseUrl = None,
    secret: Annotated[
        str | None, typer.Option(help="env:NAME or file:/path; '' forwards the client's own key.")
    ] = None,
    tier: Tier = None,
    weight: Weight = None,
    deadline: Annotated[float | None, typer.Option(help="Seconds to the first byte; 0 for none.")] = None,
    max_requests: Annotated[int | None, typer.Option(help="A minute; 0 for no limit.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="A minute; 0 for no limit.")] = None,
) -> None:
    """Change a target."""
    with _open() as connection:
        row = table.set_model(
            connection,
            alias,
            position=position,
            provider=provider,
            model=model,
            wire=wire,
            base_url=base_url,
            secret_ref=secret,
            tier=tier,
            weight=weight,
            deadline_seconds=deadline,
            max_requests_per_minute=max_requests,
            max_tokens_per_minute=max_tokens,
        )
        is_priced = _copy_prices(connection, row)
    typer.echo(f"changed {_line(row)}")
    _warn(row, is_priced=is_priced)


@app.command()
def switch(
    alias: Alias,
    position: Position = None,
    model: Annotated[str | None, typer.Option(help="The target by its model.")] = None,
) -> None:
    """Send an alias's calls to one of its targets first; the others become its fallbacks."""
    if position is None and model is None:
        raise UserError("say which target: its position, or --model", code=2)
    with _open() as connection:
        row = table.switch_model(connection, alias, position=position, model=model)
    typer.echo(f"first is {_line(row)}")


@app.command()
def enable(alias: Alias, position: Position = None) -> None:
    """Use a target again, or all of an alias."""
    _enable(alias, position, is_enabled=True)


@app.command()
def disable(alias: Alias, position: Position = None) -> None:
    """Stop using a target, or all of an alias; running calls end as they began."""
    _enable(alias, position, is_enabled=False)


@app.command()
def remove(alias: Alias, position: Position = None) -> None:
    """Take a target, or a whole alias, out of the table."""
    with _open() as connection:
        for row in table.remove_model(connection, alias, position=position):
            typer.echo(f"removed {_line(row)}")


@contextmanager
def _open() -> Iterator[psycopg.Connection]:
    """The warehouse; what cannot be done to the table is bad usage."""
    with open_access(settings_or_exit()) as connection:
        try:
            yield connection
        except table.ModelsError as error:
            raise UserError(str(error), code=2) from error


def _enable(alias: str, position: int | None, *, is_enabled: bool) -> None:
    with _open() as connection:
        rows = table.enable_model(connection, alias, position=position, is_enabled=is_enabled)
    for row in rows:
        typer.echo(f"{'enabled' if is_enabled else 'disabled'} {_line(row)}")


def _print(rows: Sequence[ModelRow]) -> None:
    shown = Table(box=None, pad_edge=False)
    for name in ("alias", "target", "tier", "weight", "state", "provider", "protocol", "model", "base URL"):
        shown.add_column(name, overflow="fold")
    for name in ("key", "deadline", "a minute"):
        shown.add_column(name, overflow="fold")
    for row in rows:
        shown.add_row(*_cells(row))
    console = Console()
    (console if console.is_terminal else Console(width=10_000)).print(shown, markup=False)


def _cells(row: ModelRow) -> tuple[str, ...]:
    limits = {"requests": row.max_requests_per_minute, "tokens": row.max_tokens_per_minute}
    return (
        row.alias,
        str(row.position),
        str(row.tier),
        str(row.weight),
        "enabled" if row.is_enabled else "disabled",
        row.provider,
        row.wire,
        row.model,
        row.base_url,
        row.secret_ref or "the client's",
        "" if row.deadline_seconds is None else f"{row.deadline_seconds:g} s",
        ", ".join(f"{limit:,} {name}" for name, limit in limits.items() if limit is not None),
    )


def _line(row: ModelRow) -> str:
    state = "" if row.is_enabled else ", disabled"
    return f"{row.alias}/{row.position}: {row.provider} {row.model} at {row.base_url}, tier {row.tier}{state}"


def _warn(row: ModelRow, *, is_priced: bool) -> None:
    """Say what keeps the target from use or from being priced; none of it is an error."""
    if row.secret_ref and isinstance(missing := read_secret(row.secret_ref), Missing):
        typer.echo(f"note: here, {missing.reason}; the proxy needs it where it runs", err=True)
    if not is_priced:
        typer.echo(f"note: {row.model} has no price yet (`lqo prices import`)", err=True)


def _copy_prices(connection: psycopg.Connection, row: ModelRow) -> bool:
    """Bring the model's known prices into the book, so that its first call is priced; whether it has any."""
    try:
        from orchestration.cost.price_book import ensure_snapshots, load_book
    except ModuleNotFoundError:
        return True  # without the extra nobody can say, so nothing is said
    ensure_snapshots(connection, [(row.provider, row.model)])
    return load_book(connection).knows(row.provider, row.model)
