"""Pipeline Health: does every call arrive, is it modelled, is it judged?"""

from reports.grafana.boards.common import DAY, GRAIN, SECONDS, TIME, marks
from reports.grafana.model import Dashboard, Metric, Panel, Row, chart, table

_RATE = "$__rate_interval"


def _live(title: str, asks: str, *metrics: Metric, unit: str = "short", width: int = 8) -> Panel:
    return Panel(title=title, asks=asks, kind="timeseries", metrics=metrics, unit=unit, width=width, height=7)


PIPELINE = Dashboard(
    uid="lqo-pipeline",
    title="LQO Pipeline Health",
    about="The proxy and its spool as they are now; what waits for a refresh; days, checks and the ledger.",
    span="now-24h",
    variables=(GRAIN,),
    panels=(
        marks(),
        Row("The proxy, now"),
        _live(
            "Calls by outcome",
            "How do calls end?",
            Metric(f"sum by (outcome) (rate(llm_gateway_calls_total[{_RATE}]))", "{{outcome}}"),
            unit="reqps",
        ),
        _live(
            "Duration of requests, median and 95th percentile",
            "How long does a request take, head to last byte?",
            Metric(
                "histogram_quantile(0.5, sum by (le) "
                f"(rate(llm_gateway_request_duration_seconds_bucket[{_RATE}])))",
                "median",
            ),
            Metric(
                "histogram_quantile(0.95, sum by (le) "
                f"(rate(llm_gateway_request_duration_seconds_bucket[{_RATE}])))",
                "95th percentile",
            ),
            unit="s",
        ),
        _live(
            "Calls now running",
            "How many calls are open at this moment?",
            Metric("sum(llm_gateway_in_flight)", "in flight"),
        ),
        _live(
            "Attempts at providers",
            "How do providers answer, attempt by attempt?",
            Metric(
                f"sum by (provider, outcome) (rate(llm_gateway_attempts_total[{_RATE}]))",
                "{{provider}} {{outcome}}",
            ),
            unit="reqps",
        ),
        _live(
            "Time to the first token, 95th percentile",
            "How long do streams make people wait, by model?",
            Metric(
                "histogram_quantile(0.95, sum by (model, le) "
                f"(rate(llm_gateway_time_to_first_token_seconds_bucket[{_RATE}])))",
                "{{model}}",
            ),
            unit="s",
        ),
        _live(
            "Lag of the event loop, 99th percentile",
            "Is the proxy's process busy to the point of being late?",
            Metric(
                "histogram_quantile(0.99, sum by (le) "
                f"(rate(llm_gateway_event_loop_lag_seconds_bucket[{_RATE}])))",
                "lag",
            ),
            unit="s",
        ),
        _live(
            "Targets, by what became of attempts",
            "Which model at which provider fails, and does a fallback save the call?",
            Metric(
                f"sum by (target, outcome) (rate(llm_gateway_target_attempts_total[{_RATE}]))",
                "{{target}} {{outcome}}",
            ),
            unit="reqps",
        ),
        _live(
            "Breakers",
            "Which targets are left out for a while: 0 closed, 1 half open, 2 open?",
            Metric("max by (target) (llm_gateway_breaker_state)", "{{target}}"),
        ),
        _live(
            "Calls that a fallback answered",
            "How many calls took more than one attempt?",
            Metric(f"sum by (model) (rate(llm_gateway_fallbacks_total[{_RATE}]))", "{{model}}"),
            unit="reqps",
        ),
        Row("The spool, now"),
        _live(
            "Oldest record that no loader has taken",
            "Is the loader keeping up?",
            Metric("max(llm_gateway_spool_unloaded_seconds)", "unloaded"),
            unit="s",
        ),
        _live(
            "The spool on disk",
            "How much waits on the proxy's disk?",
            Metric("sum(llm_gateway_spool_bytes)", "bytes"),
            unit="bytes",
        ),
        _live(
            "Hours of an outage still covered",
            "How long may the database stay away?",
            Metric("min(llm_gateway_spool_outage_hours_left)", "hours"),
            unit="h",
        ),
        _live(
            "Records written",
            "How fast is the spool written?",
            Metric(f"sum(rate(llm_gateway_spool_records_total[{_RATE}]))", "records"),
            unit="wps",
        ),
        _live(
            "Lost or cut short",
            "Is anything refused by the disk, served without a row, or stored without its body?",
            Metric(f"sum(increase(llm_gateway_spool_refused_total[{_RATE}]))", "refused by the disk"),
            Metric(f"sum(increase(llm_gateway_spool_unlogged_total[{_RATE}]))", "without a row"),
            Metric(f"sum(increase(llm_gateway_spool_shed_total[{_RATE}]))", "without its body"),
        ),
        _live(
            "Accepting and shedding",
            "Does the spool take calls (1), does it drop bodies (1)?",
            Metric("min(llm_gateway_spool_accepting)", "accepting"),
            Metric("max(llm_gateway_spool_shedding)", "shedding"),
        ),
        Row("The warehouse"),
        table(
            "backlog",
            width=12,
            columns={
                "oldest_hour": TIME,
                "newest_hour": TIME,
                "oldest_change": TIME,
                "waiting_seconds": SECONDS,
            },
        ),
        chart("ledger", series="part", is_stacked=True),
        table("day_states", columns={"day": DAY, "closed_at": TIME, "reopened_at": TIME}),
    ),
)
