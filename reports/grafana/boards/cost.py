"""Cost: who spends what on which model, what has no price, what do providers report?"""

from reports.grafana.boards.common import BAR, GRAIN, MODEL, PROJECT, TIME, USD, marks
from reports.grafana.model import Dashboard, Metric, Panel, Row, chart, figures, table

_AMOUNTS = {"amount_usd": USD, "reported_usd": USD, "failed_attempts_usd": USD}
_MOVES = ("amount_usd", "before_usd", "delta_usd", "volume_usd", "rate_usd")
_BILLED = ("billed_usd", "charged_usd", "gap_usd", "unexplained_usd")
_BUDGETS = {
    **dict.fromkeys(("limit_usd", "reserved_usd", "spent_usd", "charged_usd", "gap_usd"), USD),
    "share_spent": BAR,
    **dict.fromkeys(("projected_breach_at", "resets_at", "as_of"), TIME),
}
_STATED = ("product_usd", "judging_usd", "replays_usd", "adjustments_usd", "total_usd")
_CAUSES = (
    "calls_not_seen_usd",
    "retries_usd",
    "unpriced_usd",
    "cache_usd",
    "tier_usd",
    "fees_usd",
    "time_zone_usd",
    "rounding_usd",
)

COST = Dashboard(
    uid="lqo-cost",
    title="LQO Cost",
    about="Cost by model, project, key; tokens; budgets; whether invoices match; monthly statements. USD.",
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
        chart("cost_lines", series="line", unit="currencyUSD", is_stacked=True),
        chart("cache_savings", series="model", unit="currencyUSD", is_stacked=True),
        chart("unit_costs", series="model", unit="currencyUSD"),
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
        table("cost_movers", columns=dict.fromkeys(_MOVES, USD)),
        Row("Budgets"),
        table("budgets", columns=_BUDGETS),
        Row("Invoices"),
        table("invoices", columns=dict.fromkeys((*_BILLED, *_CAUSES), USD)),
        table("invoice_gaps", columns=dict.fromkeys((*_BILLED, *_CAUSES), USD)),
        table("chargeback", columns=dict.fromkeys(_STATED, USD)),
        Row("Judging"),
        chart("judging_cost", series="judge", unit="currencyUSD", is_stacked=True, width=24),
    ),
)
