"""Calls: where the links of the other dashboards lead."""

from reports.grafana.boards.common import (
    ALL_OF_CALL,
    API,
    MILLISECONDS,
    MODEL,
    PROJECT,
    RECEIPT,
    TIME,
    USD,
    Column,
    marks,
)
from reports.grafana.model import Dashboard, Variable, table

CALLS = Dashboard(
    uid="lqo-calls",
    title="LQO Calls",
    about="Single calls: a list of two days at most, and all the marts know of one. The API has its receipt.",
    span="now-24h",
    variables=(MODEL, PROJECT, Variable(name="call_id", label="Call", text=""), API),
    panels=(
        marks(),
        table(
            "call_list",
            height=14,
            columns={
                "time": TIME,
                "call_id": Column(links=(ALL_OF_CALL, RECEIPT), width=300),
                "latency_ms": MILLISECONDS,
                "amount_usd": USD,
            },
        ),
        table("one_call", height=14),
    ),
)
