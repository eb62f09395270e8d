"""`lqo`: one command, a verb a job. Heavy parts are imported by the verb that needs them."""

import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer
from typer.exceptions import TyperException

from orchestration.commands import (
    alert_delivery,
    alerts,
    bi,
    chargeback,
    dagster,
    data,
    evaluations,
    evaluators,
    explain,
    golden,
    invoices,
    jobs,
    judges,
    keys,
    labels,
    limits,
    models,
    prices,
    projects,
    prompts,
    proxy,
    report,
    rules,
    scores,
    services,
    whatif,
)
from orchestration.commands.errors import UserError, one_line

app = typer.Typer(
    name="lqo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="The audit-grade quality and cost warehouse for LLM traffic.",
)
app.command("up")(services.up)
app.command("proxy")(proxy.proxy)
app.command("loader")(services.loader)
app.command("api")(services.api)
app.command("sender")(alert_delivery.sender)
app.command("demo")(jobs.demo)
app.command("import")(data.import_)
app.command("backfill")(jobs.backfill)
app.command("migrate")(data.migrate)
app.command("sql")(data.sql)
app.command("explain")(explain.explain)
app.command("db-url")(data.db_url)
app.command("status")(data.status)
app.command("doctor")(data.doctor)
app.add_typer(alerts.app, name="alerts")
app.add_typer(prices.app, name="prices")
app.add_typer(invoices.app, name="invoices")
app.add_typer(chargeback.app, name="chargeback")
app.add_typer(whatif.app, name="whatif")
app.add_typer(models.app, name="models")
app.add_typer(judges.app, name="judges")
app.add_typer(labels.app, name="labels")
app.add_typer(golden.app, name="golden")
app.add_typer(rules.app, name="rules")
app.add_typer(evaluators.app, name="evaluators")
app.add_typer(scores.app, name="scores")
app.add_typer(evaluations.app, name="eval")
app.add_typer(prompts.app, name="prompts")
app.add_typer(report.app, name="report")
app.add_typer(keys.app, name="keys")
app.add_typer(projects.app, name="projects")
app.add_typer(limits.limits, name="limits")
app.add_typer(limits.budgets, name="budgets")
app.add_typer(bi.app, name="bi")
app.add_typer(dagster.app, name="dagster")


def main() -> None:
    """Run `lqo`: exit 0 on success, 2 on bad usage, 1 on a failure said in one line on stderr."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        _fail("interrupted", code=130)
    except UserError as error:
        _fail(str(error), code=error.code)
    except TyperException as error:
        # It names the option or argument as it is written; `str(error)` has the parameter of the function.
        _fail(" ".join(error.format_message().split()).removesuffix("."), code=2)
    except ModuleNotFoundError as error:
        _fail(f"this needs the package {error.name}: pip install 'llm-quality-observer[all]'", code=1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if os.environ.get("LQO_DEBUG"):
            raise
        _fail(one_line(error), code=1)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"lqo {version('llm-quality-observer')}")
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The audit-grade quality and cost warehouse for LLM traffic."""


def _fail(message: str, *, code: int) -> None:
    typer.echo(f"lqo: {message}", err=True)
    sys.exit(code)
