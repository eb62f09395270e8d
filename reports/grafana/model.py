"""Dashboards as values: what stands on them, before any JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from reports.questions import dialects
from reports.questions.question import question

Kind = Literal["timeseries", "stat", "table"]


@dataclass(frozen=True, slots=True)
class Column:
    """How a column looks: a unit of Grafana's, links (title, URL), a bar or colour instead of a number."""

    unit: str | None = None
    links: tuple[tuple[str, str], ...] = ()
    cell: Literal["auto", "gauge", "color-background"] = "auto"
    decimals: int | None = None
    width: int | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """An expression in PromQL and the name of its lines."""

    expr: str
    legend: str
    is_instant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel: a title, the question it answers, and either SQL or metrics.

    `width` is of 24 columns, `height` in rows of 30 pixels. `series` is the column that names the lines of a
    chart; `link` is where a point of it leads.
    """

    title: str
    asks: str
    kind: Kind
    sql: str = ""
    variables: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    width: int = 12
    height: int = 8
    unit: str = "short"
    maximum: float | None = None
    is_stacked: bool = False
    series: str | None = None
    link: str | None = None
    columns: Mapping[str, Column] = field(default_factory=dict[str, Column])


@dataclass(frozen=True, slots=True)
class Row:
    """A heading over the panels that follow."""

    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """What a reader may choose: values from SQL (several, or all), from a list, or a text."""

    name: str
    label: str
    sql: str = ""
    choices: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A page. `span` is its first range, as in `now-30d`; `marks_changes` draws changes of evaluators."""

    uid: str
    title: str
    about: str
    span: str
    variables: Sequence[Variable]
    panels: Sequence[Panel | Row]
    marks_changes: bool = False


def chart(
    name: str,
    *,
    series: str | None,
    unit: str = "short",
    width: int = 12,
    height: int = 8,
    maximum: float | None = None,
    is_stacked: bool = False,
    link: str | None = None,
) -> Panel:
    """A question over time; its rows are `time`, the series' name and `value` (or several values)."""
    return _asked(
        name,
        kind="timeseries",
        series=series,
        unit=unit,
        width=width,
        height=height,
        maximum=maximum,
        is_stacked=is_stacked,
        link=link,
    )


def table(
    name: str, *, columns: Mapping[str, Column] | None = None, width: int = 24, height: int = 9
) -> Panel:
    """A question whose rows are read as they stand."""
    return _asked(name, kind="table", columns=columns or {}, width=width, height=height)


def figures(
    name: str, *, columns: Mapping[str, Column] | None = None, width: int = 24, height: int = 4
) -> Panel:
    """A question with one row: each of its columns is a large figure."""
    return _asked(name, kind="stat", columns=columns or {}, width=width, height=height)


def _asked(name: str, *, kind: Kind, **look: object) -> Panel:
    asked = question(name)
    return Panel(
        title=asked.title,
        asks=asked.asks,
        kind=kind,
        sql=asked.written_for(dialects.grafana),
        variables=asked.variables,
        **look,  # pyright: ignore[reportArgumentType]
    )
