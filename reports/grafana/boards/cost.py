"""Cost: who spends what on which model, what has no price, what do providers report?"""

from reports.grafana.boards.common import GRAIN, MODEL, PROJECT, USD, marks
from reports.grafana.model import Dashboard, Metric, Panel, Row, chart, figures, table

_AMOUNTS = {"amount_usd": USD, "reported_usd": USD, "failed_attempts_usd": USD}

COST = Dashboard(
    uid="lqo-cost",
    title="LQO Cost",
    about="Priced calls by model, project and key; tokens; what has no price; what providers report. USD.",
    span="now-30d",
    variables=(PROJECT, MODEL, GRAIN),
    panels=(
        marks(),
        figures(
            "cost_totals",
            columns={
                "Cost": USD,
                "Spent on failed attempts": USD,
                "Reported by providers": USD,
                "Per 1,000 priced calls": USD,
            },
        ),
        chart("cost_of_models", series="model", unit="currencyUSD", is_stacked=True),
        chart("cost_of_projects", series="project", unit="currencyUSD", is_stacked=True),
        chart("tokens", series="kind", is_stacked=True),
        Panel(
            title="Spending now",
            asks="What do the calls of this moment cost in USD an hour, by the proxy's own count?",
            kind="timeseries",
            unit="currencyUSD",
            is_stacked=True,
            metrics=(
                Metric(
                    "3600 * sum by (model) (rate(llm_gateway_cost_usd_total[$__rate_interval]))", "{{model}}"
                ),
            ),
        ),
        table("cost_of_keys", columns=_AMOUNTS),
        table("cost_against_reports", columns=_AMOUNTS),
        Row("Judging"),
        chart("judging_cost", series="judge", unit="currencyUSD", is_stacked=True, width=24),
    ),
)
