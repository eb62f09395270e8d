"""Model Comparison: which model is better, beyond chance and beyond easier calls?"""

from reports.grafana.boards.common import (
    BAR,
    CALLS_OF_MODEL,
    DAY,
    GRAIN,
    MILLISECONDS,
    MODEL,
    SHARE,
    USD,
    marks,
)
from reports.grafana.model import Dashboard, Row, chart, table

_RATES = {
    "error_share": SHARE,
    "fail_share": BAR,
    "fail_low": SHARE,
    "fail_high": SHARE,
    "difference": SHARE,
    "difference_low": SHARE,
    "difference_high": SHARE,
    "on_one_mix": SHARE,
    "mix_coverage": SHARE,
    "matched_difference": SHARE,
    "usd_per_1k_calls": USD,
}

_REPLAYED = dict.fromkeys(("usd_per_1k_calls", "usd_per_1k_low", "usd_per_1k_high", "spent_usd"), USD) | {
    "day": DAY
}
_LATENCIES = {"p50_ms": MILLISECONDS, "p95_ms": MILLISECONDS, "p99_ms": MILLISECONDS}

COMPARISON = Dashboard(
    uid="lqo-models",
    title="LQO Model Comparison",
    about="Models against one another with intervals: failures, speed, price, availability, judges' grades.",
    span="now-30d",
    variables=(MODEL, GRAIN),
    marks_changes=True,
    panels=(
        marks(),
        table("models", columns=_RATES),
        table("latency_now", width=12, columns=_LATENCIES),
        table("first_token_now", width=12, columns=_LATENCIES),
        chart("failing_share", series="model", unit="percentunit", link=CALLS_OF_MODEL),
        chart("latency_p95", series="model", unit="ms", link=CALLS_OF_MODEL),
        chart("availability", series="provider", unit="percentunit", maximum=1),
        chart("cost_by_model", series="model", unit="currencyUSD", is_stacked=True),
        Row("Like with like"),
        table("matched_pairs", width=12, columns={"difference": SHARE, "low": SHARE, "high": SHARE}),
        table("mix", width=12, columns={"share": BAR, "fail_share": SHARE}),
        Row("The same prompts, replayed"),
        table("cost_quality_frontier", columns=_REPLAYED),
        Row("Judges"),
        table("judged_models", columns={"coverage": BAR}),
        table("leaderboard", columns={"day": DAY, "coverage": BAR}),
    ),
)
