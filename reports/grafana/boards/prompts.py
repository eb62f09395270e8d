"""Prompt Patterns: which prompts fail, grow or are new?"""

from reports.grafana.boards.common import BAR, CALL_ID, DAY, GRAIN, SHARE, TIME, USD, marks
from reports.grafana.model import Dashboard, chart, table

_RATES = {
    "day": DAY,
    "fail_rate": BAR,
    "fail_rate_low": SHARE,
    "fail_rate_high": SHARE,
    "rest_fail_rate": SHARE,
    "example_call_id": CALL_ID,
}

PROMPTS = Dashboard(
    uid="lqo-prompts",
    title="LQO Prompt Patterns",
    about="Prompt templates, the caller's own or mined: failures against the rest, growth, versions.",
    span="now-14d",
    variables=(GRAIN,),
    panels=(
        marks(),
        table("patterns", columns=_RATES, height=12),
        chart("patterns_over_time", series="template", unit="percentunit"),
        table("new_patterns", width=12, height=8, columns={**_RATES, "first_seen_at": TIME}),
        table(
            "prompt_versions",
            columns={"fail_share": BAR, "low": SHARE, "high": SHARE, "usd_per_1k_calls": USD},
        ),
    ),
)
