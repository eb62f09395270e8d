"""Quality & Advanced Analytics: what do the evaluators say, and how far may they be believed?"""

from reports.grafana.boards.common import (
    BAR,
    DAY,
    EVALUATOR,
    GRAIN,
    MODEL,
    PROJECT,
    SHARE,
    TIME,
    Column,
    marks,
)
from reports.grafana.model import Dashboard, Row, chart, table

_RATES = {"coverage": BAR, "pass_rate": BAR, "low": SHARE, "high": SHARE}
_HEAT = Column(unit="percentunit", decimals=1, cell="color-background")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

QUALITY = Dashboard(
    uid="lqo-quality",
    title="LQO Quality & Advanced Analytics",
    about="Rates by evaluator and version with interval and coverage; by hour of day, user and reason; "
    "judges beside people's labels; changes of evaluators and drift.",
    span="now-30d",
    variables=(PROJECT, MODEL, EVALUATOR, GRAIN),
    marks_changes=True,
    panels=(
        marks(),
        table("evaluators", columns=_RATES, height=10),
        chart("pass_rates", series="evaluator", unit="percentunit", maximum=1),
        chart("coverage", series="evaluator", unit="percentunit", maximum=1),
        table("unscored_reasons", width=12),
        chart("feedback", series="name", unit="percentunit", maximum=1),
        Row("By hour and by user"),
        table("profile", width=12, height=14, columns=dict.fromkeys(WEEKDAYS, _HEAT)),
        table("users", width=12, height=14, columns={"fail_share": BAR, "low": SHARE, "high": SHARE}),
        Row("Judges"),
        chart("judge_grades", series="judge"),
        chart("judge_pass_rates", series=None, unit="percentunit", maximum=1),
        table("calibrations", columns={"agreement": SHARE}),
        Row("Changes and drift"),
        table("evaluator_changes", width=12, columns={"time": TIME}),
        table("judge_drift", width=12, columns={"day": DAY}),
        table("input_drift", columns={"day": DAY}),
    ),
)
