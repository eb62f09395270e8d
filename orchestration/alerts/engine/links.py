"""Where to look next: the dashboard, the console, Dagster, and the query that shows the figure's rows."""

import os
from collections.abc import Mapping
from urllib.parse import quote

from psycopg.sql import Literal

from orchestration.alerts.definition.model import MartMetric, Rule
from orchestration.alerts.engine.conditions.windows import windows_of
from orchestration.alerts.engine.transition import Transition
from orchestration.alerts.message import Link

BOARD = "lqo-alerts"
# The environment says where the screens are, as people reach them; LQO_DAGSTER_URL is a storage's secret.
GRAFANA, DAGSTER, CONSOLE = "GRAFANA_URL", "LQO_DAGSTER_UI_URL", "LQO_CONSOLE_URL"


def links_of(
    rule: Rule, found: Transition, *, extra: Mapping[str, str], environ: Mapping[str, str] | None = None
) -> list[Link]:
    """What the environment knows of; a URL that starts with `lqo ` is a command to type."""
    env = os.environ if environ is None else environ
    links: list[Link] = []
    if grafana := _base(env, GRAFANA):
        start = found.since or found.happened_at
        span = f"from={_ms(start.timestamp() - 86_400)}&to={_ms(found.happened_at.timestamp() + 3_600)}"
        links.append(Link("Dashboard", f"{grafana}/d/{BOARD}?{span}&var-rule={quote(rule.name)}"))
    if console := _base(env, CONSOLE):
        links.append(Link("Console", f"{console}/alerts/{found.fingerprint}"))
    if dagster := _base(env, DAGSTER):
        path = extra.get("dagster", "")
        links.append(Link("Dagster", f"{dagster}{path}"))
    if query := query_of(rule, found):
        links.append(Link("Query", query))
    return links


def query_of(rule: Rule, found: Transition) -> str | None:
    """`lqo sql` with the rows that the figure is made of; None for a metric that is no sum over a mart."""
    metric = rule.metric
    if not isinstance(metric, MartMetric):
        return None
    start, end = windows_of(rule, now=found.happened_at)[0]
    at = metric.at or "hour"
    terms = [f"{at} >= {_text(start.isoformat())}", f"{at} < {_text(end.isoformat())}"]
    terms += [f"{name} = {_text(value)}" for name, value in found.dimensions.items() if len(value) <= 200]
    terms += [f"({metric.where})"] if metric.where else []
    statement = f"select * from marts.{metric.mart} where {' and '.join(terms)} order by {at}"
    return "lqo sql " + _shell(statement)


def _text(value: str) -> str:
    return Literal(value).as_string(None)


def _shell(text: str) -> str:
    # A group's name may hold anything; in single quotes a shell reads nothing but the end of them.
    return "'" + text.replace("'", "'\\''") + "'"


def _base(env: Mapping[str, str], name: str) -> str:
    return env.get(name, "").strip().rstrip("/")


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
