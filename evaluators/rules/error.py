"""The call itself did not succeed."""

import polars as pl

from evaluators.rules.base import NOT_EVALUABLE, Rule, outcome

BAD_STATUSES = ("error", "interrupted")


def error() -> Rule:
    """Fails: status `error` or `interrupted`, or an HTTP status of 400 and above.

    A client that went away (`client_gone`) is no fault of the call. Unscored: neither status is known.
    """
    return Rule(
        name="error",
        version="1.0.0",
        severity="critical",
        description="The call failed or was interrupted.",
        requires=("status", "http_status", "error_type"),
        check=_check,
        config=(("bad_statuses", ",".join(BAD_STATUSES)),),
    )


def _check(frame: pl.DataFrame) -> pl.DataFrame:
    bad_status = pl.col("status").is_in(BAD_STATUSES).fill_null(value=False)
    bad_http = (pl.col("http_status") >= 400).fill_null(value=False)
    what = pl.concat_str(
        pl.format("status {}", pl.col("status")),
        pl.format("HTTP {}", pl.col("http_status")),
        pl.col("error_type"),
        separator=", ",
        ignore_nulls=True,
    )
    unknown = pl.col("status").is_null() & pl.col("http_status").is_null()
    return outcome(
        frame,
        unscored=pl.when(unknown).then(pl.lit(NOT_EVALUABLE)),
        evidence=pl.when(bad_status | bad_http).then(what),
    )
