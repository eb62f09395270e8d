"""Overview: is something wrong, with which model, since when?"""

from reports.grafana.boards.common import (
    CALL_ID,
    CALLS_OF_MODEL,
    GRAIN,
    MILLISECONDS,
    MODEL,
    SHARE,
    TIME,
    USD,
    marks,
)
from reports.grafana.model import Dashboard, Metric, Panel, Row, chart, figures, table

OVERVIEW = Dashboard(
    uid="lqo-overview",
    title="LQO Overview",
    about="Traffic, failures, cost and latency of all calls, and what fires now.",
    span="now-7d",
    variables=(MODEL, GRAIN),
    marks_changes=True,
    panels=(
        marks(),
        figures(
            "totals",
            width=18,
            columns={
                "Errors": SHARE,
                "Failed a check": SHARE,
                "Checked": SHARE,
                "Cost": USD,
                "Without a price": SHARE,
            },
        ),
        figures("firing_count", width=6),
        chart("traffic", series="model", is_stacked=True, link=CALLS_OF_MODEL),
        chart("failing_share", series="model", unit="percentunit", link=CALLS_OF_MODEL),
        chart("error_share", series="model", unit="percentunit", link=CALLS_OF_MODEL),
        chart("cost_by_model", series="model", unit="currencyUSD", is_stacked=True),
        chart("latency_p95", series="model", unit="ms", link=CALLS_OF_MODEL),
        Panel(
            title="Requests at the proxy, by status",
            asks="What does the proxy answer right now, before anything is modelled?",
            kind="timeseries",
            unit="reqps",
            is_stacked=True,
            metrics=(
                Metric("sum by (status) (rate(llm_gateway_requests_total[$__rate_interval]))", "{{status}}"),
            ),
        ),
        Row("Newest failures"),
        table(
            "newest_failures",
            columns={"time": TIME, "call_id": CALL_ID, "latency_ms": MILLISECONDS},
            height=12,
        ),
    ),
)
