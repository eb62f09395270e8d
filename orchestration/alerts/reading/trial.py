"""A rule against a database that is there: whether its mart and columns exist and its SQL would run."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import LiteralString, cast

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.definition.model import MartMetric, Rule, SqlMetric
from orchestration.alerts.definition.refused import sql_texts
from orchestration.alerts.reading.columns import read_columns, time_of
from orchestration.alerts.reading.guard import embedded, guarded
from orchestration.alerts.reading.statements import query_statement
from orchestration.alerts.reading.types import ReadingError

_PARAMETERS = {"start": datetime(2026, 1, 1, tzinfo=UTC), "end": datetime(2026, 1, 2, tzinfo=UTC)}


def find_rule_faults(connection: psycopg.Connection[TupleRow], rule: Rule) -> Iterator[tuple[str, str]]:
    """Each fault as the field's path and the reason. SQL is planned under the reader's rights, never run."""
    if isinstance(rule.metric, MartMetric):
        try:
            with guarded(connection):
                columns = read_columns(connection, rule.metric.mart)
        except ReadingError as error:
            yield "metric.mart", str(error)
            return
        yield from _columns(rule, rule.metric, columns=columns)
    for field, text in sql_texts(rule):
        try:
            _plan(connection, rule, field=field, text=text)
        except ReadingError as error:
            yield field, str(error)


def _columns(rule: Rule, metric: MartMetric, *, columns: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name in rule.group_by:
        if name not in columns:
            yield "group_by", f"{metric.mart} has no column {name}; it has {_listed([*columns])}"
    try:
        time_of(metric, columns)
    except ReadingError as error:
        yield "metric.at", str(error)


def _plan(connection: psycopg.Connection[TupleRow], rule: Rule, *, field: str, text: str) -> None:
    metric = rule.metric
    if isinstance(metric, SqlMetric):
        statement = query_statement(text, rule.group_by)
    elif isinstance(metric, MartMetric) and field == "metric.where":
        statement = f'select 1 from marts."{metric.mart}" where ({embedded(text)})'
    elif isinstance(metric, MartMetric):
        statement = f'select sum(({embedded(text)}))::double precision from marts."{metric.mart}"'
    else:
        return
    with guarded(connection):
        connection.execute(cast(LiteralString, f"explain {statement}"), _PARAMETERS, binary=True)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:30]) + (" …" if len(names) > 30 else "")
