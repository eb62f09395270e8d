"""The caller waited longer than one waits."""

import polars as pl

from evaluators.rules.base import NOT_EVALUABLE, Rule, outcome


def slow(*, latency_ms: float = 30_000, ttft_ms: float = 10_000) -> Rule:
    """Fails: the whole call took more than `latency_ms`, or a stream's first token more than `ttft_ms`.

    Unscored: no latency was measured, or it is negative or not finite (not_evaluable). The defaults are
    of this project: ten seconds is the limit of a user's attention (Nielsen 1993, "Response times: the
    three important limits"), thirty the usual timeout of a web front end.
    """

    def check(frame: pl.DataFrame) -> pl.DataFrame:
        latency, ttft = pl.col("latency_ms"), pl.col("ttft_ms")
        late_start = (pl.col("is_streamed") & ttft.is_finite() & (ttft > ttft_ms)).fill_null(value=False)
        is_measured = (latency.is_finite() & (latency >= 0)).fill_null(value=False)
        too_long = pl.format(f"{{}} ms, more than {latency_ms:.0f}", _whole(latency))
        too_late = pl.format(f"first token after {{}} ms, more than {ttft_ms:.0f}", _whole(ttft))
        return outcome(
            frame,
            # A first token that came too late is too late, whatever became of the total.
            unscored=pl.when(~is_measured & ~late_start).then(pl.lit(NOT_EVALUABLE)),
            evidence=pl.when(is_measured & (latency > latency_ms))
            .then(too_long)
            .when(late_start)
            .then(too_late),
        )

    return Rule(
        name="slow",
        version="1.0.0",
        severity="warning",
        description="The call took longer than its limit.",
        requires=("latency_ms", "ttft_ms", "is_streamed"),
        check=check,
        config=(("latency_ms", latency_ms), ("ttft_ms", ttft_ms)),
    )


def _whole(milliseconds: pl.Expr) -> pl.Expr:
    return milliseconds.round(0).cast(pl.Int64, strict=False)
