"""`lqo judges`: who is asked about which calls, and what that may cost."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from ingest.access.secrets import Missing, read_secret
from orchestration.commands.errors import UserError
from orchestration.commands.local_judge import serve_local
from orchestration.commands.warehouse import open_warehouse, settings_or_exit
from orchestration.judging import judges as table
from orchestration.judging.policies import Policy, PolicyError, list_policies, put_policy

if TYPE_CHECKING:
    from orchestration.judging.judges import Judge

app = typer.Typer(
    no_args_is_help=True, help="Judges: models that grade calls by a rubric. By default there is none."
)
app.command("serve-local")(serve_local)

Name = Annotated[str, typer.Argument(help="The judge's name.")]
Rubric = Annotated[
    str, typer.Option(help="A shipped rubric (helpfulness, truthfulness, safety, …) or a file.md.")
]
Model = Annotated[str, typer.Option(help="The judge's model; a dated snapshot keeps its grades comparable.")]
Provider = Annotated[str, typer.Option(help="Who is billed, as the price book names it.")]
BaseUrl = Annotated[str, typer.Option(help="An OpenAI-compatible endpoint, with its /v1.")]
Secret = Annotated[str | None, typer.Option(help="Its key: env:NAME or file:/path; never the key itself.")]
PolicyName = Annotated[
    str, typer.Option("--policy", help="Which calls are asked about; made if it is not there.")
]
Parameter = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="temperature, seed, max_tokens, output …"),
]
Concurrency = Annotated[int, typer.Option(help="Requests that are out at once.")]
InBatches = Annotated[
    bool, typer.Option("--batch", help="Ask through the provider's Batch API: half the price, within a day.")
]
CacheDays = Annotated[
    int | None, typer.Option(help="Verdicts older than this are not used again; default: all are.")
]


@app.callback()
def _judges() -> None:
    """Judges: models that grade calls by a rubric. Without one nothing is asked and nothing is paid."""


@app.command("list")
def list_(
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print it.")] = "table",
) -> None:
    """Show judges with their policies."""
    with _open() as connection:
        judges = table.list_judges(connection)
        policies = {policy.policy: policy for policy in list_policies(connection)}
    if form == "json":
        told = {
            "judges": [_plain(judge) for judge in judges],
            "policies": [asdict(p) for p in policies.values()],
        }
        typer.echo(json.dumps(told, ensure_ascii=False, default=str))
        return
    if not judges:
        typer.echo("no judges: nothing is asked and nothing is paid (`lqo judges add --help`)")
        return
    _print(judges, policies)


@app.command()
def add(
    name: Name,
    *,
    rubric: Rubric,
    model: Model,
    provider: Provider = "openai",
    base_url: BaseUrl = "https://api.openai.com/v1",
    secret: Secret = None,
    policy: PolicyName = "default",
    parameters: Parameter = None,
    concurrency: Concurrency = 8,
    cache_days: CacheDays = None,
    is_batch: InBatches = False,
    is_disabled: Annotated[bool, typer.Option("--disabled", help="Add it without using it.")] = False,
) -> None:
    """Add a judge: from the next run on it is asked about the calls that its policy selects."""
    with _open() as connection:
        text, read = table.rubric_text(rubric)
        if not list_policies(connection, policy):
            put_policy(connection, Policy(policy=policy))
        judge = table.Judge(
            judge=name,
            evaluator=read.name,
            rubric=text,
            provider=provider,
            model=model,
            base_url=base_url.rstrip("/"),
            secret_ref=secret,
            parameters=table.parse_parameters(parameters or []),
            policy=policy,
            concurrency=concurrency,
            cache_days=cache_days,
            processing="batch" if is_batch else "direct",
            is_enabled=not is_disabled,
        )
        added = table.add_judge(connection, judge)
        is_priced = _is_priced(connection, added)
        (follows,) = list_policies(connection, policy)
    typer.echo(f"added {_line(added)}, version {added.spec.version}")
    typer.echo(_policy_line(follows))
    if added.secret_ref and isinstance(missing := read_secret(added.secret_ref), Missing):
        typer.echo(f"note: here, {missing.reason}; the runs need it where they run", err=True)
    if not is_priced:
        typer.echo(f"note: {added.model} has no price yet (`lqo prices import`)", err=True)


@app.command()
def enable(name: Name) -> None:
    """Ask a judge again."""
    with _open() as connection:
        typer.echo(f"enabled {_line(table.enable_judge(connection, name, is_enabled=True))}")


@app.command()
def disable(name: Name) -> None:
    """Stop asking a judge; what it has said stays."""
    with _open() as connection:
        typer.echo(f"disabled {_line(table.enable_judge(connection, name, is_enabled=False))}")


@app.command()
def processing(
    name: Name, way: Annotated[Literal["direct", "batch"], typer.Argument(help="How to ask from now on.")]
) -> None:
    """Ask a judge at once, or in batches; its version stays, and what is out is collected."""
    with _open() as connection:
        typer.echo(f"{way}: {_line(table.set_processing(connection, name, way))}")


@app.command("policy")
def set_policy(
    name: Annotated[str, typer.Argument(help="The policy's name.")] = "default",
    *,
    file: Annotated[
        Path | None, typer.Option(help="A YAML file of policies by name; all of them are set.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Share of calls, 0 to 1.")] = None,
    on_failure: Annotated[
        bool | None, typer.Option("--on-failure/--no-on-failure", help="Always those that fail a rule.")
    ] = None,
    strata: Annotated[str | None, typer.Option(help="model, prompt, user, project; by commas.")] = None,
    minimum: Annotated[int | None, typer.Option(help="Calls a day that each stratum has at least.")] = None,
    usd_per_day: Annotated[str | None, typer.Option(help="Most USD a day; 'none' for no limit.")] = None,
    usd_per_backfill: Annotated[str | None, typer.Option(help="Most USD a backfill.")] = None,
    calls_per_day: Annotated[int | None, typer.Option(help="Most paid calls a day.")] = None,
    calls_per_backfill: Annotated[int | None, typer.Option(help="Most paid calls a backfill.")] = None,
) -> None:
    """Set a policy: which calls its judges are asked about, and what that may cost."""
    with _open() as connection:
        if file is not None:
            from orchestration.judging.policy_files import read_policies

            for policy in read_policies(file):
                typer.echo(_policy_line(put_policy(connection, policy)))
            return
        held = list_policies(connection, name)
        given: dict[str, Any] = {
            "rate": rate,
            "on_failure": on_failure,
            "strata": None
            if strata is None
            else tuple(part.strip() for part in strata.split(",") if part.strip()),
            "min_per_stratum": minimum,
            "max_calls_per_day": calls_per_day,
            "max_calls_per_backfill": calls_per_backfill,
        }
        changes = {field: value for field, value in given.items() if value is not None}
        for field, text in (("max_usd_per_day", usd_per_day), ("max_usd_per_backfill", usd_per_backfill)):
            if text is not None:
                changes[field] = _usd(text)
        typer.echo(
            _policy_line(put_policy(connection, replace(held[0] if held else Policy(policy=name), **changes)))
        )


@contextmanager
def _open() -> Iterator[psycopg.Connection]:
    """The warehouse; what a judge or policy cannot be is bad usage."""
    with open_warehouse(settings_or_exit()) as connection:
        try:
            yield connection
            connection.commit()
        except (table.JudgeError, PolicyError) as error:
            raise UserError(str(error), code=2) from error


def _usd(text: str) -> Decimal | None:
    if text == "none":
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise UserError(f"a budget is an amount in USD or 'none', not {text!r}", code=2) from None


def _is_priced(connection: psycopg.Connection, judge: "Judge") -> bool:
    try:
        from orchestration.judging.prices import JudgePrices

        return JudgePrices(connection, judge).is_known
    except ModuleNotFoundError:
        return True  # without the extra nobody can say, so nothing is said


def _plain(judge: "Judge") -> dict[str, Any]:
    return {**asdict(judge), "version": judge.spec.version}


def _line(judge: "Judge") -> str:
    state = "" if judge.is_enabled else ", disabled"
    return (
        f"{judge.judge}: {judge.evaluator} by {judge.model} at {judge.base_url}, policy {judge.policy}{state}"
    )


def _policy_line(policy: Policy) -> str:
    parts = [f"policy {policy.policy}: {policy.rate:.2%} of calls"]
    if policy.on_failure:
        parts.append("all that fail a rule")
    if policy.min_per_stratum:
        parts.append(f"at least {policy.min_per_stratum} a day by {', '.join(policy.strata) or 'day'}")
    limits = {
        "$ a day": policy.max_usd_per_day,
        "$ a backfill": policy.max_usd_per_backfill,
        "calls a day": policy.max_calls_per_day,
        "calls a backfill": policy.max_calls_per_backfill,
    }
    parts += [f"at most {limit} {unit}" for unit, limit in limits.items() if limit is not None]
    return ", ".join(parts)


def _print(judges: "list[Judge]", policies: dict[str, Policy]) -> None:
    shown = Table(box=None, pad_edge=False)
    for name in ("judge", "evaluator", "state", "provider", "model", "base URL", "key", "at once", "policy"):
        shown.add_column(name, overflow="fold")
    for judge in judges:
        shown.add_row(
            judge.judge,
            judge.evaluator,
            "enabled" if judge.is_enabled else "disabled",
            judge.provider,
            judge.model,
            judge.base_url,
            judge.secret_ref or "none",
            str(judge.concurrency),
            _policy_line(policies[judge.policy]).removeprefix("policy "),
        )
    console = Console()
    (console if console.is_terminal else Console(width=10_000)).print(shown, markup=False)
