"""A dashboard as Grafana's JSON (classic schema, as provisioning reads it)."""

from typing import Any

from reports.grafana.model import Column, Dashboard, Metric, Panel, Row, Variable
from reports.questions import dialects
from reports.questions.question import question

MARTS = {"type": "grafana-postgresql-datasource", "uid": "lqo-marts"}
PROMETHEUS = {"type": "prometheus", "uid": "lqo-prometheus"}
# Of Grafana 11: newer ones read it and move it on.
SCHEMA_VERSION = 39
COLUMNS = 24
# Without quotes from Grafana: it puts the value for "All" in as it stands.
ALL = "'*'"

Json = dict[str, Any]


def page(dashboard: Dashboard) -> Json:
    """The JSON of one dashboard; the same value gives the same JSON."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["lqo"],
        "timezone": "utc",
        "editable": False,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "schemaVersion": SCHEMA_VERSION,
        "refresh": "5m",
        "time": {"from": dashboard.span, "to": "now"},
        "timepicker": {},
        "links": [_link_to_all()],
        "templating": {"list": [_variable(variable) for variable in dashboard.variables]},
        "annotations": {"list": [_changes()] if dashboard.marks_changes else []},
        "panels": _placed(dashboard),
    }


def _placed(dashboard: Dashboard) -> list[Json]:
    """Panels from left to right, on a new line where one does not fit any more."""
    placed: list[Json] = []
    x = y = tallest = 0
    for number, item in enumerate(dashboard.panels, start=1):
        width, height = (COLUMNS, 1) if isinstance(item, Row) else (item.width, item.height)
        if x + width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        position = {"x": x, "y": y, "w": width, "h": height}
        placed.append(
            _row(item, number, position) if isinstance(item, Row) else _panel(item, number, position)
        )
        x, tallest = x + width, max(tallest, height)
    return placed


def _row(row: Row, number: int, position: Json) -> Json:
    return {
        "id": number,
        "type": "row",
        "title": row.title,
        "collapsed": False,
        "gridPos": position,
        "panels": [],
    }


def _panel(panel: Panel, number: int, position: Json) -> Json:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.asks,
        "datasource": MARTS if panel.sql else PROMETHEUS,
        "gridPos": position,
        "targets": _targets(panel),
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _OPTIONS[panel.kind],
        "transparent": False,
    }


def _targets(panel: Panel) -> list[Json]:
    if panel.sql:
        return [_sql_target(panel.sql, form="time_series" if panel.kind == "timeseries" else "table")]
    return [_metric_target(metric, chr(ord("A") + place)) for place, metric in enumerate(panel.metrics)]


def _sql_target(sql: str, *, form: str) -> Json:
    return {
        "refId": "A",
        "datasource": MARTS,
        "format": form,
        "editorMode": "code",
        "rawQuery": True,
        "rawSql": sql,
    }


def _metric_target(metric: Metric, name: str) -> Json:
    return {
        "refId": name,
        "datasource": PROMETHEUS,
        "expr": metric.expr,
        "legendFormat": metric.legend,
        "instant": metric.is_instant,
        "range": not metric.is_instant,
        "editorMode": "code",
    }


def _defaults(panel: Panel) -> Json:
    defaults: Json = {"unit": panel.unit, "noValue": "–"}
    if panel.kind == "table":
        return {**defaults, "custom": {"align": "auto", "filterable": True, "cellOptions": {"type": "auto"}}}
    defaults["color"] = {"mode": "palette-classic"} if panel.kind == "timeseries" else {"mode": "thresholds"}
    if panel.kind == "timeseries":
        defaults["min"] = 0
        defaults["custom"] = _lines(panel)
    if panel.kind == "stat":
        defaults["thresholds"] = {"mode": "absolute", "steps": [{"value": None, "color": "text"}]}
    if panel.maximum is not None:
        defaults["max"] = panel.maximum
    if panel.series:
        defaults["displayName"] = f"${{__field.labels.{panel.series}}}"
    if panel.link:
        defaults["links"] = [{"title": "Calls from here on", "url": panel.link, "targetBlank": False}]
    return defaults


def _lines(panel: Panel) -> Json:
    return {
        "drawStyle": "bars" if panel.is_stacked else "line",
        "lineWidth": 1,
        "fillOpacity": 60 if panel.is_stacked else 8,
        # One lonely hour must be seen, too.
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.is_stacked else "none", "group": "A"},
    }


def _overrides(panel: Panel) -> list[Json]:
    return [
        {"matcher": {"id": "byName", "options": name}, "properties": _properties(column)}
        for name, column in panel.columns.items()
    ]


def _properties(column: Column) -> list[Json]:
    found: dict[str, Any] = {}
    if column.unit:
        found["unit"] = column.unit
    if column.decimals is not None:
        found["decimals"] = column.decimals
    if column.width is not None:
        found["custom.width"] = column.width
    if column.links:
        found["links"] = [{"title": title, "url": url, "targetBlank": False} for title, url in column.links]
    if column.cell == "gauge":
        found |= {"custom.cellOptions": {"type": "gauge", "mode": "basic"}, "min": 0, "max": 1}
    if column.cell == "color-background":
        found |= {
            "custom.cellOptions": {"type": "color-background", "mode": "basic"},
            "color": {"mode": "continuous-RdYlGr"},
        }
    return [{"id": name, "value": value} for name, value in found.items()]


def _variable(variable: Variable) -> Json:
    named: Json = {"name": variable.name, "label": variable.label, "hide": 0, "skipUrlSync": False}
    if variable.sql:
        return named | {
            "type": "query",
            "datasource": MARTS,
            "query": variable.sql,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ALL,
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            "options": [],
        }
    if variable.choices:
        options = [
            {"selected": place == 0, "text": text, "value": text}
            for place, text in enumerate(variable.choices)
        ]
        return named | {
            "type": "custom",
            "query": ",".join(variable.choices),
            "multi": False,
            "includeAll": False,
            "current": options[0],
            "options": options,
        }
    chosen = {"selected": True, "text": variable.text, "value": variable.text}
    return named | {"type": "textbox", "query": variable.text, "current": chosen, "options": [chosen]}


def _changes() -> Json:
    """A line on the charts wherever another version of an evaluator took over."""
    sql = question("change_marks").written_for(dialects.grafana)
    return {
        "name": "Changes of evaluators",
        "datasource": MARTS,
        "enable": True,
        "hide": False,
        "iconColor": "purple",
        "target": _sql_target(sql, form="table"),
    }


def _link_to_all() -> Json:
    return {
        "title": "Dashboards",
        "type": "dashboards",
        "tags": ["lqo"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


_OPTIONS: dict[str, Json] = {
    "timeseries": {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": "/.*/"},
        "orientation": "auto",
        "textMode": "value_and_name",
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "center",
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
}
