"""Alert History: what fired, for how long, and did anybody hear of it?"""

from reports.grafana.boards.common import GRAIN, SECONDS, TIME, marks
from reports.grafana.model import Dashboard, chart, figures, table

ALERTS = Dashboard(
    uid="lqo-alerts",
    title="LQO Alert History",
    about="What fired and resolved, how long it lasted, who took it on, what was held back or not delivered.",
    span="now-30d",
    variables=(GRAIN,),
    marks_changes=True,
    panels=(
        marks(),
        figures("firing_count", width=6, height=8),
        chart("alerts_over_time", series="rule", is_stacked=True, width=18),
        table(
            "alert_states",
            columns={"since": TIME, "silenced_until": TIME, "muted_until": TIME, "evaluated_at": TIME},
        ),
        table("alerts", columns={"time": TIME, "ended_at": TIME}, height=12),
        table(
            "alert_durations",
            width=12,
            columns={"mean_seconds": SECONDS, "longest_seconds": SECONDS, "last_fired_at": TIME},
        ),
        table("undelivered", width=12, columns={"time": TIME}),
        table("alert_actions", columns={"time": TIME, "ends_at": TIME}),
        table("silences", width=12, columns={"starts_at": TIME, "ends_at": TIME}),
        table("mutes", width=12, columns={"starts_at": TIME, "ends_at": TIME}),
    ),
)
