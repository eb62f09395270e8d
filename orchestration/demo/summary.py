"""What the demo found, as one value and as JSON."""

from datetime import date, datetime
from decimal import Decimal

import msgspec


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """Calls by how they came in; `n_marts` of them are in `marts.calls`, those of judges are not."""

    n_imported: int
    n_through_proxy: int
    n_of_judges: int
    n_marts: int
    n_dead_letters: int
    first: datetime | None
    last: datetime | None


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One rule over all days; `coverage` is scored of eligible."""

    evaluator: str
    n_eligible: int
    n_scored: int
    n_failed: int
    n_unscored: int
    n_pending: int
    fail_rate: Decimal | None
    coverage: Decimal | None


class ModelLine(msgspec.Struct, frozen=True, kw_only=True):
    """One model over all days; `fail_rate` with its 95 % Wilson interval, money of the priced calls only."""

    model: str
    n_calls: int
    n_error: int
    n_scored: int
    n_failed: int
    fail_rate: Decimal | None
    fail_rate_low: float | None
    fail_rate_high: float | None
    p50_ms: float | None
    p95_ms: float | None
    n_unpriced: int
    amount_usd: Decimal | None


class SlowCall(msgspec.Struct, frozen=True, kw_only=True):
    """One of the slowest calls."""

    started_at: datetime
    call_id: str
    model: str
    prompt_name: str | None
    latency_ms: float
    status: str


class DayLine(msgspec.Struct, frozen=True, kw_only=True):
    """One day of the model that got worse."""

    day: date
    n_scored: int
    n_failed: int
    fail_rate: Decimal | None
    verdict: str


class AlertLine(msgspec.Struct, frozen=True, kw_only=True):
    """One transition of an alert."""

    happened_at: datetime
    rule: str
    group_key: str
    transition: str
    message: str
    sent: bool


class JudgeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A day of a judge's grades: the weighted mean with its 95 % interval, of how many of the day's calls."""

    day: date
    model: str
    evaluator: str
    n_eligible: int
    n_scored: int
    coverage: float | None
    mean_score: float | None
    mean_score_low: float | None
    mean_score_high: float | None
    calibration_state: str


class PatternLine(msgspec.Struct, frozen=True, kw_only=True):
    """The prompt pattern that failed most on a day; `rest_fail_rate` is that of all other prompts."""

    day: date
    template: str | None
    origin: str
    n_calls: int
    n_scored: int
    n_failed: int
    fail_rate: float | None
    fail_rate_low: float | None
    fail_rate_high: float | None
    rest_fail_rate: float | None


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """What all calls cost, in USD: the part that bought no answer, what caches saved, what judges cost."""

    amount_usd: Decimal
    failed_usd: Decimal
    cache_saved_usd: Decimal
    judge_usd: Decimal


class Mover(msgspec.Struct, frozen=True, kw_only=True):
    """The model whose cost moved most over the last seven whole days, by volume and by rate."""

    name: str
    delta_usd: Decimal
    volume_usd: Decimal
    rate_usd: Decimal


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """The simulated provider's invoice beside our charges; `verdict` is that of its worst row."""

    verdict: str
    billed_usd: Decimal
    charged_usd: Decimal
    causes: dict[str, Decimal]
    unexplained_usd: Decimal


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The demo's result; `seconds` is wall time by step."""

    landed: Landed
    checks: list[Check]
    models: list[ModelLine]
    slowest: list[SlowCall]
    regressed_model: str
    regression: list[DayLine]
    judged: list[JudgeLine]
    pattern: PatternLine | None
    alerts: list[AlertLine]
    unpriced: dict[str, int]
    money: Money
    mover: Mover | None
    invoice: InvoiceLine | None
    drift_report: str | None
    home: str
    seconds: dict[str, float]


def summary_json(summary: Summary) -> bytes:
    """The summary as indented JSON; money and rates are strings, exact."""
    return msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"
