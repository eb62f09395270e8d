"""The marts once more, in polars from the raw rows: a second opinion that shares no line with the SQL."""

from decimal import Decimal
from typing import Any

import polars as pl
import psycopg
from psycopg.rows import TupleRow

from tests.dbt_project.marts import records

RAW = {
    "calls": "select * from raw.llm_calls",
    "results": "select started_at, call_id, rule_set_version, failed, unscored from evaluation.rule_results",
    "charges": "select * from cost.charges",
    "quarantine": "select distinct call_id from evaluation.quarantine",
}
NONE = "(none)"
FAILING = {"empty_answer", "refusal", "invalid_json"}
RULES = {
    1: {"empty_answer": "1.0.0", "refusal": "1.0.0", "invalid_json": "1.0.0", "slow": "1.0.0"},
    2: {"empty_answer": "1.0.0", "refusal": "1.1.0", "invalid_json": "1.0.0", "slow": "1.0.0"},
}
CURRENT = 2

Record = dict[str, Any]


def expected_calls(connection: psycopg.Connection[TupleRow]) -> list[Record]:
    """One record per product or demo call that is not quarantined, with its one result and its charge."""
    raw = {name: records(connection, query) for name, query in RAW.items()}
    quarantined = {row["call_id"] for row in raw["quarantine"]}
    results: dict[Any, Record] = {}
    # Ascending, the current set (the highest here) last: it wins.
    for row in sorted(raw["results"], key=lambda row: row["rule_set_version"]):
        results[row["call_id"]] = row
    charges: dict[Any, list[Record]] = {}
    for row in sorted(raw["charges"], key=lambda row: row["attempt"]):
        charges.setdefault(row["call_id"], []).append(row)
    return [
        _call(row, result=results.get(row["call_id"]), charges=charges.get(row["call_id"], []))
        for row in raw["calls"]
        if row["purpose"] in ("product", "demo") and row["call_id"] not in quarantined
    ]


def _counted(charges: list[Record], name: str) -> int | None:
    counts = [charge[name] for charge in charges if charge[name] is not None]
    return sum(counts) if counts else None


def _call(row: Record, *, result: Record | None, charges: list[Record]) -> Record:
    answered = charges[-1] if charges else None
    amounts = [charge["amount_usd"] for charge in charges if charge["amount_usd"] is not None]
    is_priced = answered is not None and answered["amount_usd"] is not None
    return {
        "call_id": row["call_id"],
        "hour": row["started_at"].replace(minute=0, second=0, microsecond=0),
        "day": row["started_at"].date(),
        "provider": row["provider"],
        "model": row["requested_model"],
        "project": row["project"] or NONE,
        "key_id": row["key_id"] or NONE,
        "body_state": row["body_state"],
        "status": row["status"],
        "latency_ms": row["latency_ms"],
        "ttft_ms": row["ttft_ms"],
        "rule_set_version": result and result["rule_set_version"],
        "failed_rules": result and result["failed"],
        "unscored_rules": result and result["unscored"],
        "is_failed": result and bool(FAILING.intersection(result["failed"])),
        "amount_usd": sum(amounts, Decimal()) if is_priced else None,
        "unpriced_reason": "not_charged" if answered is None else answered["unpriced_reason"],
        "output_text": sum(charge["output_text"] for charge in charges) if charges else None,
        **{name: _counted(charges, name) for name in ("input_image", "output_image")},
    }


def expected_ledger(calls: list[Record]) -> pl.DataFrame:
    """One row per call and rule that should judge it, with what became of it."""
    rows = [
        {
            **{name: call[name] for name in ("hour", "day", "model", "project")},
            "evaluator": rule,
            "evaluator_version": version,
            "outcome": _outcome(call, rule),
            "is_failed": rule in (call["failed_rules"] or ()),
        }
        for call in calls
        for rule, version in RULES[call["rule_set_version"] or CURRENT].items()
    ]
    return pl.DataFrame(rows)


def _outcome(call: Record, rule: str) -> str:
    if call["rule_set_version"] is None:
        return "pending"
    return call["unscored_rules"].get(rule, "scored")


def wilson(successes: float, trials: float) -> tuple[float, float]:
    """The 95 % score interval, as Wilson's quadratic's two roots."""
    z = 1.959963984540054
    share = successes / trials
    a, b, c = 1 + z * z / trials, -(2 * share + z * z / trials), share * share
    root = max(0.0, b * b - 4 * a * c) ** 0.5
    return (-b - root) / (2 * a), (-b + root) / (2 * a)
