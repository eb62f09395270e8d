"""`lqo demo`: every step of the product once, in order, on the real parts."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
from rich.console import Console

from ingest.database.connect import connect
from ingest.database.embedded import ensure_database
from ingest.database.migrate import migrate
from ingest.database.sibling import dagster_database
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from orchestration.demo.invoice import import_demo_invoice
from orchestration.demo.models import REGRESSED_MODEL
from orchestration.demo.page import print_summary
from orchestration.demo.prices import write_prices
from orchestration.demo.provider import Provider, serve
from orchestration.demo.summary import Summary, summary_json
from orchestration.demo.summary_reading import read_summary
from orchestration.demo.traffic import DAYS, Plan, load_plan, write_traffic
from orchestration.demo.webhook import receive_webhooks

LIVE_CALLS = 48
READY_SECONDS = 30.0
EVERY = timedelta(hours=6)
OPENAI = "https://api.openai.com"


@dataclass(slots=True)
class Steps:
    """Says which step runs, and keeps how long each took (seconds)."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def step(self, name: str, telling: str) -> Iterator[None]:
        """Show `telling` while the block runs, then a line with its time."""
        started = time.monotonic()
        with self.console.status(telling) if self.console.is_terminal else nullcontext():
            yield
        self.seconds[name] = time.monotonic() - started
        self.console.print(f"  [green]done[/green]  {telling}  [dim]{self.seconds[name]:.1f} s[/dim]")


def run_demo(settings: Settings, *, json_file: Path | None, live_model: str | None, days: int | None) -> None:
    """Run the demo in `settings.home`; `days` keeps only the newest, `live_model` calls OpenAI for real.

    Writes the summary to `json_file` as JSON when given, and prints it as a page in any case.
    """
    steps = Steps(Console(stderr=True, highlight=False))
    plan = load_plan(settings.home, now=datetime.now(UTC))
    with ExitStack() as stack:
        with steps.step("database", "starting the database"):
            url = stack.enter_context(ensure_database(settings))
        summary = _run(settings, url, plan, steps=steps, live_model=live_model, days=min(days or DAYS, DAYS))
    if json_file is not None:
        json_file.write_bytes(summary_json(summary))
    print_summary(summary, console=_page())


def _run(
    settings: Settings, url: DatabaseUrl, plan: Plan, *, steps: Steps, live_model: str | None, days: int
) -> Summary:
    from orchestration.backfill import run_days
    from orchestration.dbt import ensure_manifest, ensure_views
    from orchestration.instance import prepare_instance

    first = max(plan.first_day, plan.until.date() - timedelta(days=days - 1))
    with steps.step("schema", "bringing the schema to the newest revision"):
        migrate(url)
    with steps.step("traffic", f"importing calls from {first} to now"):
        _import_traffic(settings, url, plan, first=first)
    with steps.step("prices", "importing the price list"):
        _import_prices(settings, url, plan)
    with steps.step("live", f"sending {LIVE_CALLS} live calls through the proxy"):
        _call_live(settings, url, model=live_model)
    with steps.step("judge", "asking a simulated judge about a sample of calls"):
        _judge(url, plan, first=first, steps=steps)
    with steps.step("dbt", "preparing dbt and Dagster"):
        ensure_manifest(settings)
        ensure_views(settings, url)
        prepare_instance(settings, dagster_database(settings, url))
    with steps.step("days", "checking, scoring, pricing and modelling every day"):
        run_days(settings, from_day=first, to_day=plan.until.date())
    with connect(url) as connection:
        with steps.step("alerts", "evaluating the alert rules over the last days"):
            _alert(connection, plan, first=first)
        with steps.step("invoice", "comparing an invoice of the simulated provider with the charges"):
            import_demo_invoice(
                connection,
                plan,
                _demo_folder(settings) / "invoice.csv",
                first=first,
                last=plan.until.date(),
            )
        with steps.step("drift", "writing the drift report of the day that got worse"):
            report = _drift(connection, settings, plan, last=plan.until.date())
        return read_summary(
            connection,
            regressed_model=REGRESSED_MODEL,
            drift_report=report,
            home=str(settings.home),
            seconds=steps.seconds,
        )


def _import_traffic(settings: Settings, url: DatabaseUrl, plan: Plan, *, first: date) -> None:
    from ingest.importers.files import import_files

    path = _demo_folder(settings) / "traffic.jsonl"
    write_traffic(plan, path, first=first)
    import_files([path], settings=settings, url=url)


def _import_prices(settings: Settings, url: DatabaseUrl, plan: Plan) -> None:
    from evaluators.pricing.files import read_price_file
    from orchestration.cost.price_book import import_prices

    path = _demo_folder(settings) / "prices.csv"
    write_prices(plan, path)
    prices = read_price_file(path, recorded_at=datetime.now(UTC))
    with connect(url) as connection:
        import_prices(connection, prices.rows, source="demo list")


def _call_live(settings: Settings, url: DatabaseUrl, *, model: str | None) -> None:
    from ingest.loader import run_loader

    asyncio.run(_send_live(settings, model=model))
    run_loader(settings, url, once=True)


def _judge(url: DatabaseUrl, plan: Plan, *, first: date, steps: Steps) -> None:
    from orchestration.demo.judging import judge_sample
    from orchestration.judging.judges import JudgeError

    try:
        with connect(url) as connection:
            judge_sample(connection, plan, first=first)
    except JudgeError as error:
        # Whoever has made a judge of their own in this home keeps it.
        steps.console.print(f"  [yellow]left out[/yellow]  the simulated judge: {error}")


async def _send_live(settings: Settings, *, model: str | None) -> None:
    from orchestration.demo.live import make_calls

    async with AsyncExitStack() as stack:
        upstream = OPENAI if model else await stack.enter_async_context(serve(Provider()))
        base_url = stack.enter_context(_running_proxy(settings, upstream=upstream))
        api_key = os.environ["OPENAI_API_KEY"] if model else "sk-demo"
        calls = await make_calls(base_url, n_calls=LIVE_CALLS, model=model, api_key=api_key)
    if not calls.n_ok:
        raise RuntimeError(f"none of {LIVE_CALLS} live calls was answered: is the key right?")


@contextmanager
def _running_proxy(settings: Settings, *, upstream: str) -> Iterator[str]:
    """A proxy process of its own on a free port; yields the base URL that an SDK takes."""
    command = [sys.executable, "-m", "orchestration", "proxy", "--port", "0", "--upstream", upstream]
    process = subprocess.Popen(
        command, env={**os.environ, "LQO_HOME": str(settings.home)}, stdout=subprocess.PIPE, text=True
    )
    try:
        yield f"{_announced_url(process)}/v1"
    finally:
        process.terminate()
        process.wait(timeout=READY_SECONDS)
        if process.stdout is not None:
            process.stdout.close()


def _announced_url(process: subprocess.Popen[str]) -> str:
    """The URL in the first line that the proxy prints once it listens."""
    if process.stdout is None:
        raise RuntimeError("the proxy has no standard output to read its URL from")
    line = process.stdout.readline()
    start = line.find("http://")
    if start < 0:
        raise RuntimeError(f"the proxy did not start: {line.strip() or 'it said nothing'}")
    return line[start:].split()[0].rstrip("/")


def _alert(connection: psycopg.Connection, plan: Plan, *, first: date) -> None:
    """Replay the clock of the alert rules every six hours, then send what waits to a webhook of ours."""
    from orchestration.alerts.definition.load import load_rules
    from orchestration.alerts.delivery.channel import Limits
    from orchestration.alerts.delivery.channels import SlackChannel
    from orchestration.alerts.delivery.sender import send_waiting
    from orchestration.alerts.engine.tick import evaluate_alerts

    # The rule that the regression of the demo is about: a replay of all would take longer than the demo.
    rules = [rule for rule in load_rules() if rule.name == "failing_share"]
    moment = datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(days=1)
    while moment <= plan.until:
        evaluate_alerts(connection, rules=rules, now=moment)
        moment += EVERY
    with receive_webhooks() as inbox:
        send_waiting(connection, channels=[SlackChannel("slack", inbox.url, Limits())], most=500)
    connection.commit()


def _drift(connection: psycopg.Connection, settings: Settings, plan: Plan, *, last: date) -> str | None:
    from orchestration.drift_findings import record_findings
    from reports.drift import build_drift_report

    day = min(plan.regression[0].date(), last)
    report = build_drift_report(connection, day=day, out_dir=settings.reports)
    record_findings(connection, report)
    return str(report.path) if report.path else None


def _page() -> Console:
    """Standard output; a pipe has no width, and 80 columns would fold the tables."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=110)


def _demo_folder(settings: Settings) -> Path:
    folder = settings.home / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
