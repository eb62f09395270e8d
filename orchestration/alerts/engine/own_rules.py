"""Alerts that no file writes: a rule that cannot be evaluated, a job that fails, a check that fails."""

from orchestration.alerts.definition.model import BuiltInCondition, BuiltInMetric, RollingWindow, Rule

OWNER = "platform"

ALERT_RULES = Rule(
    name="alert_rules",
    summary="An alert rule cannot be read or evaluated, so it cannot fire",
    why="A rule that fails in silence looks like a quiet night.",
    limits="It sees what the tick sees: a rule that asks for the wrong thing and gets it is not wrong here.",
    metric=BuiltInMetric(name="alert_rules"),
    window=RollingWindow(span="1m"),
    condition=BuiltInCondition(),
    severity="warning",
    owner=OWNER,
    group_by=["rule"],
    # A query that is too slow every other minute is one trouble, not thirty.
    keep_firing="10m",
    no_data="resolve",
)
RUN_FAILURE = Rule(
    name="run_failure",
    summary="A run of this Dagster job failed",
    why="What a failed run was to write is missing or old, and everything after it is, too.",
    limits="A run that was canceled is no failure; the next run of the job that succeeds resolves it.",
    metric=BuiltInMetric(name="run_failure"),
    window=RollingWindow(span="1m"),
    condition=BuiltInCondition(),
    severity="warning",
    owner=OWNER,
    group_by=["job"],
    no_data="keep",
)
ASSET_CHECK = Rule(
    name="asset_check",
    summary="A check of the data failed with severity error",
    why="The marts rest on data that is not sound.",
    limits="Checks of severity warn are seen in Dagster alone; the next time it passes resolves it.",
    metric=BuiltInMetric(name="asset_check"),
    window=RollingWindow(span="1m"),
    condition=BuiltInCondition(),
    severity="warning",
    owner=OWNER,
    group_by=["check"],
    no_data="keep",
)
OWN_RULES = (ALERT_RULES, RUN_FAILURE, ASSET_CHECK)
