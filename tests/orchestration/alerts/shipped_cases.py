"""For each shipped rule a time that is good and one that is bad, written into the marts."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from orchestration.alerts.reading.percentiles import GAMMA
from tests.orchestration.alerts.conftest import Marts

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Case:
    """`fill(marts, at, is_bad)` writes what the rule reads at `at`; `group` is who fires then, and `value`
    with which figure."""

    fill: Callable[[Marts, datetime, bool], None]
    group: str
    value: float


def http_error_rate(marts: Marts, at: datetime, is_bad: bool) -> None:
    marts.hour(at - HOUR, n=100, n_error=20 if is_bad else 1)
    # One call, and it fails: too few to say anything of its model.
    marts.hour(at - HOUR, model="rare", n=1, n_error=1)


def availability(marts: Marts, at: datetime, is_bad: bool) -> None:
    n_down = 30 if is_bad else 1
    counts = {
        "n_attempts": 110,
        "n_ok": 97 - n_down,
        "n_refused": 3,
        "n_server_error": n_down,
        "n_unknown": 10,
    }
    rest = dict.fromkeys(("n_throttled", "n_timeout", "n_unreachable", "n_broke_off"), 0)
    marts.put("model_availability", hour=at - HOUR, provider="p", model="m", **counts, **rest)


def fallback_share(marts: Marts, at: datetime, is_bad: bool) -> None:
    for number in range(60):
        marts.call(at - HOUR / 2, n_attempts=2 if is_bad and number < 20 else 1)
        marts.call(at - HOUR / 2, model="waits", n_attempts=None)


def latency_p95(marts: Marts, at: datetime, is_bad: bool) -> None:
    for ago, ms in ((HOUR, 3_000 if is_bad else 1_000), (WEEK + HOUR, 1_000)):
        bucket = math.ceil(math.log(ms) / math.log(GAMMA))
        marts.put("latency_hourly_histogram", hour=at - ago, model="m", project="x", measure="latency",
                  buckets=[bucket - 50, bucket], counts=[500, 500])  # fmt: skip


def traffic_drop(marts: Marts, at: datetime, is_bad: bool) -> None:
    for week in range(int(is_bad), 5):
        marts.hour(at - HOUR - week * WEEK, n=400 + 10 * week)
    marts.hour(at - HOUR - WEEK, n=9, project="small")


def project_spend(marts: Marts, at: datetime, is_bad: bool) -> None:
    marts.hour(at - HOUR, n=200, amount_usd=100 if is_bad else 10)
    for week in range(1, 5):
        marts.hour(at - HOUR - week * WEEK, n=200, amount_usd=9 + week / 2)


def key_spend(marts: Marts, at: datetime, is_bad: bool) -> None:
    for week in range(5):
        usd = 100 if is_bad and not week else 10
        marts.hour(at - HOUR - week * WEEK, n=200, amount_usd=usd, key_id="key_1")
        marts.hour(at - HOUR - week * WEEK, n=200, amount_usd=usd, model="other")


def budget_spent(marts: Marts, at: datetime, is_bad: bool) -> None:
    _budget(marts, period="day", limit=100)
    marts.hour(at - HOUR, n=10, amount_usd=90 if is_bad else 50)
    marts.hour(at - DAY, n=10, amount_usd=500)


def budget_burn(marts: Marts, at: datetime, is_bad: bool) -> None:
    _budget(marts, period="month", limit=300)
    for hours in range(1, 25):
        marts.hour(at - hours * HOUR, n=10, amount_usd=2 if is_bad else 0.2)


def unpriced_share(marts: Marts, at: datetime, is_bad: bool) -> None:
    # An outage leaves calls without a price, too.
    marts.hour(at - 2 * HOUR, n=100, n_unpriced=20, n_priced=80, n_error=0 if is_bad else 20)


def reported_cost(marts: Marts, at: datetime, is_bad: bool) -> None:
    for _ in range(25):
        marts.call(at - HOUR, amount_usd="1.10" if is_bad else "1.001", reported_usd="1.00")
        marts.call(at - HOUR, amount_usd="9.99")


def invoice_gap(marts: Marts, at: datetime, is_bad: bool) -> None:
    if not is_bad:
        return
    day = (at - 9 * DAY).date()
    marts.put("cost.invoices", content_hash=b"x", source="f", format="own", n_lines=1, first_day=day,
              last_day=day)  # fmt: skip
    [invoice] = marts.connection.execute("select max(invoice_id) from cost.invoices").fetchone() or (0,)
    # Tokens of a model that nobody here has called.
    marts.put("cost.invoice_lines", invoice_id=invoice, line=1, provider="p", day=day, kind="usage",
              model="ghost", n_requests=3, output=900)  # fmt: skip


def refresh_backlog(marts: Marts, at: datetime, is_bad: bool) -> None:
    marts.connection.execute("delete from raw.dirty_hours")
    waits = timedelta(minutes=45 if is_bad else 1)
    marts.put("raw.dirty_hours", hour=at - 2 * HOUR, stage="calls", changed_at=at - waits)
    marts.put("raw.dirty_hours", hour=at - HOUR, stage="calls", changed_at=at - waits / 2)
    # What is held is no backlog, however long it waits.
    marts.connection.execute("delete from evaluation.held_hours")
    marts.put("raw.dirty_hours", hour=at - 9 * HOUR, stage="calls", changed_at=at - 5 * HOUR)
    marts.put(
        "evaluation.held_hours", hour=at - 9 * HOUR, n_failures=6, error="e", failed_at=at - HOUR, retry_at=at
    )


def held_hours(marts: Marts, at: datetime, is_bad: bool) -> None:
    marts.connection.execute("delete from evaluation.held_hours")
    if is_bad:
        marts.put("evaluation.held_hours", hour=at - 9 * HOUR, n_failures=2, error="x", failed_at=at - HOUR,
                  retry_at=at)  # fmt: skip


def dead_letters(marts: Marts, at: datetime, is_bad: bool) -> None:
    marts.connection.execute(
        "insert into raw.dead_letters (digest, source, origin, reason, dead_at) "
        "select sha256((number || %(at)s::text)::bytea), 'import', 'f', '시간이 없다', %(at)s "
        "from generate_series(1, %(n)s) as number",
        {"at": at - HOUR, "n": 60 if is_bad else 5},
    )


def pending_calls(marts: Marts, at: datetime, is_bad: bool) -> None:
    for hours in (2, 30):
        marts.ledger(at - hours * HOUR, evaluator="refusal", n=1_000, n_pending=90 if is_bad else 1)


def coverage(marts: Marts, at: datetime, is_bad: bool) -> None:
    marts.ledger(at - 3 * HOUR, evaluator="refusal", n=100, n_pending=40 if is_bad else 0)


def evaluation_errors(marts: Marts, at: datetime, is_bad: bool) -> None:
    reasons = {"error": 15, "parse_error": 5} if is_bad else {"not_applicable": 20}
    counts = {"n": 100, "n_scored": 80, "n_unscored": 20}
    marts.ledger(at - 3 * HOUR, evaluator="helpfulness", kind="judge", unscored_by_reason=reasons, **counts)


def evaluation_ledger(marts: Marts, at: datetime, is_bad: bool) -> None:
    counts = {"n_eligible": 100, "n_scored": 90, "n_unscored": 10, "n_sampled_out": 0}
    marts.put("evaluation_coverage", day=(at - DAY).date(), evaluator="refusal", evaluator_version="1",
              kind="rule", unscored_by_reason={}, n_pending=3 if is_bad else 0, **counts)  # fmt: skip


def day_checks(marts: Marts, at: datetime, is_bad: bool) -> None:
    marts.connection.execute("delete from evaluation.day_checks")
    for name, severity, passed in (("ids", "error", not is_bad), ("models", "warn", False)):
        marts.put("evaluation.day_checks", day=(at - DAY).date(), check_name=name, passed=passed, n=1,
                  severity=severity)  # fmt: skip


def failing_share(marts: Marts, at: datetime, is_bad: bool) -> None:
    n_failed = 40 if is_bad else 5
    marts.put(
        "failing_hourly", hour=at - HOUR, model="m", rule_set_version=1, n_scored=100, n_failed=n_failed
    )
    marts.put("failing_hourly", hour=at - HOUR, model="rare", rule_set_version=1, n_scored=1, n_failed=1)


def median_score(marts: Marts, at: datetime, is_bad: bool) -> None:
    _judge(marts, name="helpfulness", state="ok")
    _judge(marts, name="untried", state="uncalibrated")
    for number in range(40):
        for evaluator, value in (("helpfulness", 2 if is_bad else 4), ("untried", 1)):
            marts.n_calls += 1
            call_id = f"00000000-0000-7000-8000-{marts.n_calls:012}"
            # The rare good answers stand for more calls, but for fewer than half of them.
            graded = {"value": 5, "weight": 2.0} if number < 10 else {"value": value, "weight": 1.0}
            marts.put("judged_calls", started_at=at - HOUR, call_id=call_id, model="m", project="x",
                      evaluator=evaluator, evaluator_version="1", cluster=call_id, **graded)  # fmt: skip


def refusal_share(marts: Marts, at: datetime, is_bad: bool) -> None:
    marts.ledger(at - HOUR, evaluator="refusal", n=500, n_failed=100 if is_bad else 25)
    marts.ledger(at - HOUR, evaluator="slow", n=500, n_failed=499)
    for days in range(1, 8):
        marts.ledger(at - HOUR - days * DAY, evaluator="refusal", n=500, n_failed=25)


def feedback_drop(marts: Marts, at: datetime, is_bad: bool) -> None:
    for days, n_positive in ((0, 40 if is_bad else 80), (4, 80), (9, 85)):
        marts.put("feedback_hourly", hour=at - HOUR - days * DAY, model="m", project="x", name="thumbs",
                  n_calls=500, n_feedback=100, n_values=100, n_positive=n_positive, n_labels=0, n_comments=0,
                  labels={})  # fmt: skip


def secret_leak(marts: Marts, at: datetime, is_bad: bool) -> None:
    marts.ledger(at - HOUR, evaluator="secret_leak", n=5, n_failed=int(is_bad))
    marts.ledger(at - HOUR, evaluator="slow", n=5, n_failed=3)


def judge_drift(marts: Marts, at: datetime, is_bad: bool) -> None:
    version = _judge(marts, name="helpfulness", state="ok")
    for days, is_drift in ((2, True), (0, is_bad)):
        marts.put("evaluation.golden_drift", golden_set="골든", evaluator_version_id=version,
                  day=(at - days * DAY).date(), baseline_day=date(2026, 10, 1), n=40, shift=-0.3,
                  judge_models=["j"], is_drift=is_drift)  # fmt: skip


def drift_findings(marts: Marts, at: datetime, is_bad: bool) -> None:
    for days, is_drift in ((2, True), (1, is_bad)):
        marts.put("evaluation.drift_findings", day=(at - days * DAY).date(), column_name="latency_ms",
                  kind="number", method="w", value=0.2, threshold=0.1, is_drift=is_drift, n_current=900,
                  n_reference=900, reference_from=date(2026, 10, 1), evidently_version="0.7")  # fmt: skip


def _budget(marts: Marts, *, period: str, limit: float) -> None:
    marts.connection.execute("delete from access.budgets")
    marts.put("access.budgets", budget_id="b", scope="project", subject="shop", period=period,
              limit_usd=limit)  # fmt: skip


def _judge(marts: Marts, *, name: str, state: str) -> int:
    """An active judge, calibrated or not; the same one again where it is there."""
    known = "select id from evaluation.evaluator_versions where evaluator = %s"
    if row := marts.connection.execute(known, [name]).fetchone():
        return row[0]
    marts.put("evaluation.evaluator_versions", evaluator=name, version="1", kind="judge", status="active")
    [version] = marts.connection.execute(known, [name]).fetchone() or (0,)
    figures = {"n": 200, "n_clusters": 150, "agreement": 0.9, "kappa": 0.7, "figures": {}}
    marts.put("evaluation.calibrations", evaluator_version_id=version, stratum="overall", state=state,
              **figures)  # fmt: skip
    return version


CASES: dict[str, Case] = {
    "http_error_rate": Case(http_error_rate, "provider=p · model=m", 0.2),
    "availability": Case(availability, "provider=p · model=m", 0.7),
    "fallback_share": Case(fallback_share, "m", 1 / 3),
    "latency_p95": Case(latency_p95, "m", 3_000),
    "traffic_drop": Case(traffic_drop, "shop", 0),
    "project_spend": Case(project_spend, "shop", 100),
    "key_spend": Case(key_spend, "key_1", 100),
    "budget_spent": Case(budget_spent, "scope=project · subject=shop", 0.9),
    "budget_burn": Case(budget_burn, "scope=project · subject=shop", 4.8),
    "unpriced_share": Case(unpriced_share, "provider=p · model=m", 0.2),
    "reported_cost": Case(reported_cost, "p", 0.1),
    "invoice_gap": Case(invoice_gap, "p", 1),
    "refresh_backlog": Case(refresh_backlog, "calls", 45 * 60),
    "held_hours": Case(held_hours, "all", 1),
    "dead_letters": Case(dead_letters, "시간이 없다", 60),
    "pending_calls": Case(pending_calls, "refusal", 180),
    "coverage": Case(coverage, "refusal", 0.6),
    "evaluation_errors": Case(evaluation_errors, "helpfulness", 0.2),
    "evaluation_ledger": Case(evaluation_ledger, "refusal", 3),
    "day_checks": Case(day_checks, "2027-01-04", 1),
    "failing_share": Case(failing_share, "m", 0.4),
    "median_score": Case(median_score, "evaluator=helpfulness · evaluator_version=1 · model=m", 2),
    "refusal_share": Case(refusal_share, "m", 0.2),
    "feedback_drop": Case(feedback_drop, "model=m · name=thumbs", 0.4),
    "secret_leak": Case(secret_leak, "project=shop · model=m", 1),
    "judge_drift": Case(judge_drift, "golden_set=골든 · evaluator=helpfulness · evaluator_version=1", 0.3),
    "drift_findings": Case(drift_findings, "latency_ms", 2),
}
