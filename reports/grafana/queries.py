"""The queries of the dashboards as they stand in their JSON, and Grafana's own filling in of them.

For whoever runs a panel's query without Grafana: tests and benchmarks.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}")


@dataclass(frozen=True, slots=True)
class Query:
    """A panel's (or variable's, or annotation's) query: SQL where `is_sql`, else PromQL.

    `defaults` are the first values of the dashboard's variables; an empty tuple stands for All.
    """

    dashboard: str
    panel: str
    text: str
    is_sql: bool
    defaults: Mapping[str, tuple[str, ...]]


def panel_queries(folder: Path = FOLDER) -> list[Query]:
    """Every query of every dashboard, panels first."""
    return [
        query for path in sorted(folder.glob("*.json")) for query in _queries_of(json.loads(path.read_text()))
    ]


def interpolate(sql: str, *, since: datetime, until: datetime, variables: Mapping[str, Sequence[str]]) -> str:
    """The SQL that Grafana sends: macros of time and `${name:sqlstring}` filled in.

    Raises KeyError for a variable that is not given and ValueError for another format than `sqlstring`.
    """

    def fill(match: re.Match[str]) -> str:
        if match[2] != "sqlstring":
            raise ValueError(f"{match[0]} is not quoted for SQL")
        values = variables[match[1]]
        return ",".join(_quoted(value) for value in values) if values else "'*'"

    filled = _VARIABLE.sub(fill, sql)
    for macro, moment in (("$__timeFrom()", since), ("$__timeTo()", until)):
        filled = filled.replace(macro, _quoted(moment.isoformat()))
    return filled


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _queries_of(page: Mapping[str, Any]) -> list[Query]:
    variables = page["templating"]["list"]
    defaults = {variable["name"]: _default(variable) for variable in variables}

    def query(name: str, text: str, *, is_sql: bool = True) -> Query:
        return Query(page["title"], name, text, is_sql, defaults)

    found: list[Query] = []
    for panel in page["panels"]:
        for target in panel.get("targets", ()):
            is_sql = "rawSql" in target
            found.append(query(panel["title"], target["rawSql" if is_sql else "expr"], is_sql=is_sql))
    found += [query(f"${v['name']}", v["query"]) for v in variables if v["type"] == "query"]
    found += [query(a["name"], a["target"]["rawSql"]) for a in page["annotations"]["list"]]
    return found


def _default(variable: Mapping[str, Any]) -> tuple[str, ...]:
    value = variable["current"]["value"]
    return () if value == ["$__all"] else (value,)
