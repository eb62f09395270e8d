"""`lqo limits` and `lqo budgets`: how much a key, user, address or project may use."""

from enum import StrEnum
from typing import Annotated, LiteralString

import typer

from orchestration.commands import access_words as words
from orchestration.commands.data import Format
from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_access, open_warehouse, settings_or_exit

limits = typer.Typer(no_args_is_help=True, help="Requests and tokens a minute.")
budgets = typer.Typer(no_args_is_help=True, help="USD a day or month.")
Subject = Annotated[str, typer.Argument(help="Whom it binds; '*' binds each one by itself.")]
_NOW: LiteralString = """
select
    scope, subject, period,
    trim_scale(limit_usd) as limit_usd,
    trim_scale(reserved_usd) as reserved_usd,
    trim_scale(spent_usd) as spent_usd,
    share_spent,
    trim_scale(charged_usd) as charged_usd,
    trim_scale(without_end_usd) as without_end_usd,
    trim_scale(gap_usd) as gap_usd,
    state, projected_breach_at, resets_at, as_of
from marts.budgets
order by share_spent desc, scope, subject, period
"""
AsForm = Annotated[Format, typer.Option("--format", help="table, csv or json.")]


class LimitScope(StrEnum):
    key = "key"
    user = "user"
    ip = "ip"
    project = "project"


class BudgetScope(StrEnum):
    key = "key"
    user = "user"
    project = "project"


class Period(StrEnum):
    day = "day"
    month = "month"


@limits.callback()
def _limits() -> None:
    """Requests and tokens a minute."""


@limits.command("set")
def set_limit(
    scope: LimitScope,
    subject: Subject,
    requests: Annotated[int | None, typer.Option(min=1, max=2**31 - 1, help="Requests a minute.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, max=2**53, help="Tokens a minute, in and out.")] = None,
) -> None:
    """Set the limits of a subject; one that is not named is lifted."""
    from ingest.access import limit_rows

    if requests is None and tokens is None:
        raise UserError("name --requests, --tokens or both", code=2)
    subject = _given(scope, subject)
    with open_access(settings_or_exit()) as connection:
        bound = limit_rows.subject_of(connection, scope, subject)
        limit_rows.set_limit(connection, scope, bound, requests=requests, tokens=tokens)
    typer.echo(f"{scope} {bound}: {requests or 'any'} requests, {tokens or 'any'} tokens a minute")


@limits.command("list")
def list_limits(form: AsForm = Format.TABLE) -> None:
    """List the limits."""
    from ingest.access.limit_rows import LIST_LIMITS
    from orchestration.commands.query import print_statement

    with open_warehouse(settings_or_exit()) as connection:
        print_statement(connection, LIST_LIMITS, form=form.value)


@limits.command("remove")
def remove_limit(scope: LimitScope, subject: Subject) -> None:
    """Lift the limits of a subject."""
    from ingest.access import limit_rows

    subject = _given(scope, subject)
    with open_access(settings_or_exit()) as connection:
        bound = limit_rows.subject_of(connection, scope, subject)
        if not limit_rows.remove_limit(connection, scope, bound):
            raise UserError(f"{scope} {bound} has no limits of its own")
    typer.echo(f"{scope} {bound}: no limits of its own any more")


@budgets.callback()
def _budgets() -> None:
    """USD a day or month."""


@budgets.command("set")
def set_budget(
    scope: BudgetScope,
    subject: Subject,
    usd: Annotated[str, typer.Option(help="The most it may spend, in USD.")],
    period: Annotated[Period, typer.Option(help="The UTC day or month it is for.")] = Period.month,
) -> None:
    """Set the budget of a subject; what is spent already counts."""
    from ingest.access import limit_rows

    amount, subject = words.usd(usd), _given(scope, subject)
    with open_access(settings_or_exit()) as connection:
        bound = limit_rows.subject_of(connection, scope, subject)
        limit_rows.set_budget(connection, scope, bound, period=period, limit_usd=amount)
    typer.echo(f"{scope} {bound}: ${amount} a {period}")


@budgets.command("list")
def list_budgets(form: AsForm = Format.TABLE) -> None:
    """List the budgets."""
    from ingest.access.limit_rows import LIST_BUDGETS
    from orchestration.commands.query import print_statement

    with open_warehouse(settings_or_exit()) as connection:
        print_statement(connection, LIST_BUDGETS, form=form.value)


@budgets.command("status")
def budgets_status(form: AsForm = Format.TABLE) -> None:
    """Show what is reserved and spent of each budget in its day or month, and when it will be used up.

    As new as the loaders (`as_of`). `charged_usd` is what the same calls cost by the warehouse, once the
    marts have seen them; `without_end_usd` what calls killed with their proxy hold beyond that, as they
    reserved it. It is a part of the gap, of which `marts.budgets` says the others.
    """
    from orchestration.commands.query import print_statement

    with open_warehouse(settings_or_exit()) as connection:
        found = connection.execute("select to_regclass('marts.budgets')").fetchone()
        if not found or found[0] is None:
            raise UserError("the marts are not built yet (`lqo up`, or `lqo backfill marts`)")
        print_statement(connection, _NOW, form=form.value, is_rounded=True)


@budgets.command("remove")
def remove_budget(
    scope: BudgetScope,
    subject: Subject,
    period: Annotated[Period | None, typer.Option(help="Only the day's or the month's.")] = None,
) -> None:
    """Lift the budgets of a subject; what was spent of them is forgotten."""
    from ingest.access import limit_rows

    subject = _given(scope, subject)
    with open_access(settings_or_exit()) as connection:
        bound = limit_rows.subject_of(connection, scope, subject)
        if not limit_rows.remove_budget(connection, scope, bound, period=period):
            raise UserError(f"{scope} {bound} has no such budget of its own")
    typer.echo(f"{scope} {bound}: no such budget any more")


def _given(scope: str, subject: str) -> str:
    return words.address(subject) if scope == "ip" else words.name(subject, option="the subject")
