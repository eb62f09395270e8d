"""Which cards stand on which dashboard: the questions of Grafana's, but for those of one call."""

from reports.metabase.cards import Card, CardPage

PAGES = (
    CardPage(
        "LQO Overview",
        "Traffic, failures, cost and latency of all calls, and what fires now.",
        (
            Card("as_of"),
            Card("totals"),
            Card("traffic", "bar", "model"),
            Card("failing_share", "line", "model"),
            Card("error_share", "line", "model"),
            Card("cost_by_model", "bar", "model"),
            Card("latency_p95", "line", "model"),
            Card("newest_failures"),
        ),
    ),
    CardPage(
        "LQO Quality & Advanced Analytics",
        "Rates by evaluator and version with interval and coverage; by hour, user and reason; judges; drift.",
        (
            Card("evaluators"),
            Card("pass_rates", "line", "evaluator"),
            Card("coverage", "line", "evaluator"),
            Card("unscored_reasons"),
            Card("feedback", "line", "name"),
            Card("judge_grades", "line", "judge"),
            Card("profile"),
            Card("users"),
            Card("judge_pass_rates"),
            Card("calibrations"),
            Card("evaluator_changes"),
            Card("judge_drift"),
            Card("input_drift"),
        ),
    ),
    CardPage(
        "LQO Model Comparison",
        "Models against one another with intervals: failures, price, availability, judges' grades.",
        (
            Card("models"),
            Card("matched_pairs"),
            Card("mix"),
            Card("latency_now"),
            Card("first_token_now"),
            Card("judged_models"),
            Card("availability", "line", "provider"),
            Card("leaderboard"),
        ),
    ),
    CardPage(
        "LQO Cost",
        "Priced calls by model, project and key; tokens; what has no price; what providers report. USD.",
        (
            Card("cost_totals"),
            Card("cost_of_models", "bar", "model"),
            Card("cost_of_projects", "bar", "project"),
            Card("tokens", "bar", "kind"),
            Card("judging_cost", "bar", "judge"),
            Card("cost_of_keys"),
            Card("cost_against_reports"),
        ),
    ),
    CardPage(
        "LQO Alert History",
        "What fired and resolved, how long it lasted, who took it on, what was held back or not delivered.",
        (
            Card("firing_count"),
            Card("alerts_over_time", "bar", "rule"),
            Card("alert_states"),
            Card("alerts"),
            Card("alert_durations"),
            Card("undelivered"),
            Card("alert_actions"),
            Card("silences"),
            Card("mutes"),
        ),
    ),
    CardPage(
        "LQO Prompt Patterns",
        "Prompt templates, the caller's own or mined: failures against the rest, growth, versions.",
        (
            Card("patterns"),
            Card("patterns_over_time", "line", "template"),
            Card("new_patterns"),
            Card("prompt_versions"),
        ),
    ),
    CardPage(
        "LQO Pipeline Health",
        "What waits for a refresh; days, checks and the ledger. The proxy's own figures stand in Grafana.",
        (Card("backlog"), Card("ledger", "bar", "part"), Card("day_states")),
    ),
)
