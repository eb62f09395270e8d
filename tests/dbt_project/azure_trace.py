"""The Azure traces of 2023 as calls, and their hours by polars from the files alone.

The traces have arrival times and tokens. Latencies are made from the tokens, failures from their remainders.
"""

from decimal import Decimal
from pathlib import Path

import polars as pl
import psycopg
from psycopg.rows import TupleRow

from tests.dbt_project.landing import Call, land

TRACES = ("conv", "code")
RESULTS = "copy evaluation.rule_results (started_at, call_id, rule_set_version, failed, unscored) from stdin"
CHARGES = """
copy cost.charges (
    started_at, call_id, attempt, provider, model, price_version, input_uncached, cache_read, output_text,
    amount_usd
) from stdin
"""
INPUT_USD, OUTPUT_USD = Decimal("0.00000015"), Decimal("0.0000006")


def trace(data: Path) -> pl.DataFrame:
    """Every row of both files, in their order: started_at, model, tokens, latencies, and whether it fails."""
    frames = [
        pl.read_csv(data / f"azure_llm_2023_{name}.csv").with_columns(model=pl.lit(name)) for name in TRACES
    ]
    read, wrote = pl.col("ContextTokens"), pl.col("GeneratedTokens")
    return pl.concat(frames).select(
        "model",
        # Seven decimals, of which a call keeps three.
        started_at=pl.col("TIMESTAMP")
        .str.slice(0, 23)
        .str.to_datetime("%Y-%m-%d %H:%M:%S%.3f", time_unit="ms", time_zone="UTC"),
        input_tokens=read,
        output_tokens=wrote,
        latency_ms=300 + read * 0.25 + wrote * 21.7,
        ttft_ms=pl.when(wrote % 3 > 0).then(100 + read * 0.25),
        is_failed=read % 17 == 0,
    )


def load(connection: psycopg.Connection[TupleRow], rows: pl.DataFrame) -> None:
    """Land the rows with results of rule set 2 and with charges; the month must be there."""
    calls = [
        Call(f"azure {number}", row["started_at"], row["model"], "azure", row["latency_ms"], row["ttft_ms"])
        for number, row in enumerate(rows.iter_rows(named=True))
    ]
    land(connection, calls)
    with connection.cursor() as cursor:
        with cursor.copy(RESULTS) as copy:
            for call, failed in zip(calls, rows["is_failed"], strict=True):
                copy.write_row((call.started_at, call.call_id, 2, ["refusal"] if failed else [], "{}"))
        with cursor.copy(CHARGES) as copy:
            for call, read, wrote in zip(calls, rows["input_tokens"], rows["output_tokens"], strict=True):
                amount = read * INPUT_USD + wrote * OUTPUT_USD
                key = (call.started_at, call.call_id, 0, "openai", call.model, 1)
                copy.write_row((*key, read, 0, wrote, amount))


def hours(rows: pl.DataFrame) -> pl.DataFrame:
    """Counts, sums and exact percentiles by hour and model."""
    measures = {
        f"{name}_p{percent}_ms": pl.col(f"{name}_ms").quantile(percent / 100, "linear")
        for name in ("latency", "ttft")
        for percent in (50, 95, 99)
    }
    return (
        rows.group_by(pl.col("started_at").dt.truncate("1h").alias("hour"), "model")
        .agg(
            n_calls=pl.len(),
            n_failed=pl.col("is_failed").sum(),
            input_tokens=pl.col("input_tokens").sum(),
            output_tokens=pl.col("output_tokens").sum(),
            n_ttft=pl.col("ttft_ms").count(),
            latency_max_ms=pl.col("latency_ms").max(),
            **measures,
        )
        .sort("hour", "model")
    )
