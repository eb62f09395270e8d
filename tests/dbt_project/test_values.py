"""What the marts say equals an independent computation from the raw rows."""

from collections.abc import Iterator
from decimal import Decimal

import polars as pl
import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from tests.dbt_project.expected import CURRENT, Record, expected_calls, expected_ledger, wilson
from tests.dbt_project.marts import records
from tests.dbt_project.running_dbt import Dbt, days
from tests.dbt_project.seed import FIRST_DAY

LEDGER = ["n_eligible", "n_scored", "n_failed", "n_unscored", "n_pending"]


@pytest.fixture(scope="module")
def built(seeded: DatabaseUrl, dbt: Dbt) -> DatabaseUrl:
    """All days built with their data tests, which pass."""
    outcome = dbt.build(seeded, windows=days(FIRST_DAY, count=3), selector="day")
    assert set(outcome.nodes.values()) == {"success", "pass"}
    return seeded


@pytest.fixture(scope="module")
def calls(built: DatabaseUrl) -> list[Record]:
    with connect(built) as connection:
        return expected_calls(connection)


@pytest.fixture
def reader(built: DatabaseUrl) -> Iterator[psycopg.Connection[TupleRow]]:
    with connect(built) as connection:
        yield connection


def test_calls_are_the_raw_calls_with_one_result_and_one_amount(
    reader: psycopg.Connection[TupleRow], calls: list[Record]
) -> None:
    names = [name for name in calls[0] if name not in ("hour", "day")]
    found = records(reader, f"select {', '.join(names)} from marts.calls order by call_id")
    wanted = [
        {name: call[name] for name in names} for call in sorted(calls, key=lambda call: call["call_id"])
    ]
    assert found == wanted
    for name in ("rule_set_version", "amount_usd", "unpriced_reason", "is_failed"):
        assert None in {call[name] for call in calls}


def test_a_call_has_the_label_of_the_rule_that_goes_first_in_its_own_rule_set(
    reader: psycopg.Connection[TupleRow], calls: list[Record]
) -> None:
    query = "select call_id, label, priority from marts.call_labels order by call_id"
    severities = {"empty_answer": 300, "refusal": 200, "slow": 100}
    first = {
        call["call_id"]: max(call["failed_rules"], key=severities.__getitem__)
        for call in calls
        if call["failed_rules"]
    }
    wanted = [(call_id, first[call_id], severities[first[call_id]]) for call_id in sorted(first)]
    assert [tuple(row.values()) for row in records(reader, query)] == wanted
    assert {*first.values()} == {*severities}

    reader.execute(
        "insert into evaluation.rules (id, version, definition, kind, priority, label, source)"
        " values ('refusal', '1.1.0', '{}', 'regex', 400, 'declined', 'table')"
    )
    found = {row["call_id"]: row["label"] for row in records(reader, query)}
    of_the_newer_set = {call["call_id"] for call in calls if call["rule_set_version"] == CURRENT}
    refused = {call["call_id"] for call in calls if "refusal" in (call["failed_rules"] or ())}
    assert {call_id for call_id, label in found.items() if label == "declined"} == refused & of_the_newer_set
    assert refused - of_the_newer_set, "calls that the older version of the rule judged keep its label"


@pytest.mark.parametrize(
    ("mart", "keys"),
    [
        ("quality_hourly", ["hour", "model", "project", "evaluator", "evaluator_version"]),
        ("evaluation_coverage", ["day", "evaluator", "evaluator_version"]),
    ],
)
def test_the_ledger_counts_every_call_and_rule_once(
    reader: psycopg.Connection[TupleRow], calls: list[Record], mart: str, keys: list[str]
) -> None:
    is_unscored = ~pl.col("outcome").is_in(["scored", "pending"])
    wanted = (
        expected_ledger(calls)
        .group_by(keys)
        .agg(
            n_eligible=pl.len(),
            n_scored=(pl.col("outcome") == "scored").sum(),
            n_failed=((pl.col("outcome") == "scored") & pl.col("is_failed")).sum(),
            n_unscored=is_unscored.sum(),
            n_pending=(pl.col("outcome") == "pending").sum(),
            reasons=pl.col("outcome").filter(is_unscored).value_counts(),
        )
        .sort(keys)
        .to_dicts()
    )
    found = records(
        reader, f"select *, unscored_by_reason as reasons from marts.{mart} order by {', '.join(keys)}"
    )
    assert [{name: row[name] for name in [*keys, *LEDGER]} for row in found] == [
        {name: row[name] for name in [*keys, *LEDGER]} for row in wanted
    ]
    assert [row["reasons"] for row in found] == [
        {reason["outcome"]: reason["count"] for reason in row["reasons"]} for row in wanted
    ]


def test_pass_rates_carry_a_wilson_interval(reader: psycopg.Connection[TupleRow]) -> None:
    rows = records(reader, "select * from marts.quality_hourly")
    for row in rows:
        if not row["n_scored"]:
            assert row["pass_rate"] is row["pass_rate_low"] is row["pass_rate_high"] is None
            continue
        passed = row["n_scored"] - row["n_failed"]
        assert row["pass_rate"] == passed / row["n_scored"]
        interval = (row["pass_rate_low"], row["pass_rate_high"])
        assert interval == pytest.approx(wilson(passed, row["n_scored"]), abs=1e-12)


def test_hourly_percentiles_are_exact(reader: psycopg.Connection[TupleRow], calls: list[Record]) -> None:
    keys = ["hour", "provider", "model"]
    well = pl.col("status") == "ok"
    percentiles = {
        f"{measure}_p{percent}_ms": pl.col(f"{measure}_ms").filter(well).quantile(percent / 100, "linear")
        for measure in ("latency", "ttft")
        for percent in (50, 95, 99)
    }
    counts = {
        "n_calls": pl.len(),
        "n_error": (pl.col("status") == "error").sum(),
        "n_latency": pl.col("latency_ms").filter(well).count(),
        "n_ttft": pl.col("ttft_ms").filter(well).count(),
        "latency_max_ms": pl.col("latency_ms").filter(well).max(),
        "ttft_max_ms": pl.col("ttft_ms").filter(well).max(),
    }
    names = [*keys, "status", "latency_ms", "ttft_ms"]
    frame = pl.DataFrame([{name: call[name] for name in names} for call in calls], infer_schema_length=None)
    wanted = frame.group_by(keys).agg(**counts, **percentiles).sort(keys).to_dicts()
    found = records(reader, "select * from marts.latency_hourly order by hour, provider, model")
    for have, want in zip(found, wanted, strict=True):
        assert {name: have[name] for name in [*keys, *counts]} == {
            name: want[name] for name in [*keys, *counts]
        }
        for name in percentiles:
            assert have[name] == (want[name] if want[name] is None else pytest.approx(want[name], rel=1e-12))


def test_availability_is_of_attempts_and_lies_inside_its_interval(
    reader: psycopg.Connection[TupleRow], calls: list[Record]
) -> None:
    """The seeded calls are imports without attempts: each is one attempt of its own."""
    keys = ["hour", "provider", "model"]
    wanted = (
        pl.DataFrame([{name: call[name] for name in [*keys, "status"]} for call in calls])
        .group_by(keys)
        .agg(n_attempts=pl.len(), n_server_error=(pl.col("status") == "error").sum())
        .sort(keys)
        .to_dicts()
    )
    found = records(reader, "select * from marts.model_availability order by hour, provider, model")
    assert sum(row["n_server_error"] for row in wanted)
    for have, want in zip(found, wanted, strict=True):
        n, n_failed = want["n_attempts"], want["n_server_error"]
        assert {name: have[name] for name in want} == want
        assert have["n_ok"] == n - n_failed
        low, high = wilson(n - n_failed, n)
        shares = (have["availability"], have["availability_low"], have["availability_high"])
        assert shares == pytest.approx(((n - n_failed) / n, low, high), rel=1e-9)


@pytest.mark.parametrize("measure", ["latency", "ttft"])
def test_percentiles_of_days_are_at_most_one_percent_off(
    reader: psycopg.Connection[TupleRow], calls: list[Record], measure: str
) -> None:
    """Against the nearest rank: the histogram says in which bucket that call lies."""
    rows = records(reader, f"select * from marts.latency_daily where measure = '{measure}'")
    assert len(rows) == 3 * 4 * 3 // (1 if measure == "latency" else 2)
    for row in rows:
        values = sorted(
            call[f"{measure}_ms"]
            for call in calls
            if call["status"] == "ok"
            and call[f"{measure}_ms"] is not None
            and (call["day"], call["model"], call["project"]) == (row["day"], row["model"], row["project"])
        )
        assert row["n_calls"] == len(values)
        for percent in (50, 95, 99):
            rank = -(-percent * len(values) // 100)
            assert row[f"p{percent}_ms"] == pytest.approx(values[rank - 1], rel=0.01 + 1e-9)


def test_money_and_tokens_add_up_to_the_cent_and_beyond(
    reader: psycopg.Connection[TupleRow], calls: list[Record]
) -> None:
    keys = ("day", "provider", "model", "project", "key_id")
    wanted: dict[tuple[object, ...], Record] = {}
    for call in calls:
        group = wanted.setdefault(
            tuple(call[key] for key in keys),
            {"n_calls": 0, "n_priced": 0, "tokens": 0, "images": [0, 0], "amount": Decimal()},
        )
        group["n_calls"] += 1
        group["tokens"] += call["output_text"] or 0
        for place, name in enumerate(("input_image", "output_image")):
            group["images"][place] += call[name] or 0
        if call["amount_usd"] is not None:
            group["n_priced"] += 1
            group["amount"] += call["amount_usd"]
    found = {
        tuple(row[key] for key in keys): {
            "n_calls": row["n_calls"],
            "n_priced": row["n_priced"],
            "tokens": row["output_text"],
            "images": [row["input_image"], row["output_image"]],
            "amount": row["amount_usd"],
        }
        for row in records(reader, "select * from marts.cost_daily")
    }
    assert found == wanted


def test_models_are_compared_with_the_rest_of_their_day(
    reader: psycopg.Connection[TupleRow], calls: list[Record]
) -> None:
    """The difference and Newcombe's interval, from counts taken here."""
    for row in records(reader, "select * from marts.model_comparison"):
        scored = [call for call in calls if call["day"] == row["day"] and call["is_failed"] is not None]
        own = [call["is_failed"] for call in scored if call["model"] == row["model"]]
        rest = [call["is_failed"] for call in scored if call["model"] != row["model"]]
        p, q = sum(own) / len(own), sum(rest) / len(rest)
        (p_low, p_high), (q_low, q_high) = wilson(sum(own), len(own)), wilson(sum(rest), len(rest))
        low = p - q - ((p - p_low) ** 2 + (q_high - q) ** 2) ** 0.5
        high = p - q + ((p_high - p) ** 2 + (q - q_low) ** 2) ** 0.5
        assert (row["n_scored"], row["n_rest_scored"]) == (len(own), len(rest))
        found = (row["difference"], row["difference_low"], row["difference_high"])
        assert found == pytest.approx((p - q, low, high), abs=1e-12)
        verdict = "worse" if low > 0 else "better" if high < 0 else "no difference shown"
        assert row["verdict"] == verdict


def test_intervals_are_those_of_the_literature() -> None:
    """Newcombe 1998: 81 of 263 (Statistics in Medicine 17:857) gives 0.2553 to 0.3662."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
