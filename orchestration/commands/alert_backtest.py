"""`lqo alerts backtest`: when a rule would have fired."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, LiteralString

import psycopg
import typer

from orchestration.commands import access_words as words
from orchestration.commands.data import Format
from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from ingest.settings import Settings
    from orchestration.alerts.definition.model import Rule
    from orchestration.alerts.engine.backtest.result import Backtest, Firing

MOST_SHOWN = 40
HAS_CALLS: LiteralString = "select to_regclass('marts.calls_hourly') is not null"
FIRST_CALL: LiteralString = "select min(hour) from marts.calls_hourly"


def backtest(
    rule: Annotated[str, typer.Argument(help="The rule's name.")],
    days: Annotated[
        int, typer.Option(min=1, max=3650, help="How many days back; no further than there are calls.")
    ] = 90,
    step: Annotated[
        str | None, typer.Option(help="How far apart to look, as 1h or 1d; default the mart's grain.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.TABLE,
) -> None:
    """Say when a rule would have fired, with which values, and how many false alarms to expect."""
    from orchestration.alerts.engine.backtest.run import backtest as run_backtest
    from orchestration.alerts.engine.conditions.statistical import ConditionError
    from orchestration.alerts.reading.types import ReadingError

    settings = settings_or_exit()
    found = _rule(settings, rule)
    pace = words.span(step, option="--step") if step else None
    if pace is not None and pace <= timedelta(0):
        raise UserError("--step must be longer than nothing", code=2)
    end = datetime.now(UTC)
    start = end - timedelta(days=days)
    with open_warehouse(settings) as connection:
        # Days before the first call are no days on which nothing fired.
        if (first := _first_call(connection)) is not None:
            start = min(max(start, first), end - timedelta(days=1))
        try:
            result = run_backtest(connection, found, start=start, end=end, step=pace)
        except (ReadingError, ConditionError) as error:
            raise UserError(f"{rule} cannot be evaluated: {error}") from error
    _print(result, form=form)


def _first_call(connection: psycopg.Connection) -> datetime | None:
    """When the first call of the marts came in; None where there are none."""
    if connection.execute(HAS_CALLS).fetchone() != (True,):
        return None
    found = connection.execute(FIRST_CALL).fetchone()
    return None if found is None else found[0]


def _rule(settings: "Settings", name: str) -> "Rule":
    from orchestration.alerts.actions.wording import nearest
    from orchestration.alerts.definition.folder import alerts_folder
    from orchestration.alerts.definition.load import load_rule_set

    rules = {one.rule.name: one.rule for one in load_rule_set(alerts_folder(settings)).rules}
    if name not in rules:
        hint = nearest(name, set(rules))
        raise UserError(f"there is no rule {name!r:.80}: {hint} (`lqo alerts rules` lists them)", code=2)
    return rules[name]


def _print(result: "Backtest", *, form: Format) -> None:
    if form is Format.JSON:
        typer.echo(json.dumps(as_json(result), ensure_ascii=False))
        return
    from orchestration.commands.query import print_rows

    rows = [_row(one, until=result.end) for one in result.firings]
    names = ("group", "fired_at", "resolved_at", "lasted_seconds", "value", "last", "threshold", "baseline")
    names += ("n", "q")
    if form is Format.CSV:
        print_rows(names, rows, form="csv")
        return
    if rows:
        print_rows(names, rows[-MOST_SHOWN:], form="table", is_rounded=True)
    typer.echo(summary(result))


def _row(one: "Firing", *, until: datetime) -> tuple[object, ...]:
    lasted = int(one.lasted(until=until).total_seconds())
    times = (one.group, one.fired_at, one.resolved_at, lasted)
    return (*times, one.value, one.last, one.threshold, one.baseline, one.n, one.q)


def as_json(result: "Backtest") -> dict[str, Any]:
    """All that the backtest says; lengths of time in seconds, moments in ISO 8601."""
    null = result.null
    return {
        "rule": result.rule,
        "start": result.start.isoformat(),
        "end": result.end.isoformat(),
        "step_seconds": result.step.total_seconds(),
        "n_moments": result.n_moments,
        "n_groups": result.n_groups,
        "n_firings": len(result.firings),
        "firings_per_week": round(result.per_week, 3),
        "n_short": result.n_short,
        "short_seconds": result.short.total_seconds(),
        "false_alarms_per_week": None if null is None else round(null.per_week, 3),
        "false_alarms_method": None if null is None else null.method,
        "false_alarms_runs": None if null is None else null.n_runs,
        "firings": [
            {
                "group": one.group,
                "fired_at": one.fired_at.isoformat(),
                "resolved_at": None if one.resolved_at is None else one.resolved_at.isoformat(),
                "lasted_seconds": one.lasted(until=result.end).total_seconds(),
                "value": one.value,
                "last": one.last,
                "threshold": one.threshold,
                "baseline": one.baseline,
                "n": one.n,
                "q": one.q,
            }
            for one in result.firings
        ],
    }


def summary(result: "Backtest") -> str:
    """Two or three lines for people."""
    groups = len({one.group for one in result.firings})
    n, days = len(result.firings), round((result.end - result.start) / timedelta(days=1))
    more = f" (the last {MOST_SHOWN} are shown)" if n > MOST_SHOWN else ""
    hours = result.short.total_seconds() / 3600
    lines = [
        f"{result.rule} would have fired {n} {'time' if n == 1 else 'times'} in {days} days{more},"
        f" for {groups} of {result.n_groups} groups: {result.per_week:.2f} a week",
    ]
    if n:
        lines.append(f"{result.n_short} of them were over within {hours:g} h")
    if result.null is None:
        lines.append(
            "chance cannot be played out for this metric: count the alerts that you would not act on"
        )
    else:
        lines.append(
            f"false alarms to expect: {result.null.per_week:.2f} a week"
            f" ({result.null.method}; {result.null.n_runs} runs)"
        )
    return "\n".join(lines)
