"""The summary as a page in the terminal."""

from decimal import Decimal

from rich.console import Console
from rich.table import Table

from orchestration.demo.summary import Summary


def print_summary(summary: Summary, *, console: Console) -> None:
    """Print what a person wants to know first: what landed, what fails, what it costs, what got worse."""
    _print_landed(summary, console)
    _print_models(summary, console)
    _print_money(summary, console)
    _print_checks(summary, console)
    _print_regression(summary, console)
    _print_judged(summary, console)
    _print_pattern(summary, console)
    _print_slowest(summary, console)
    _print_next(summary, console)


def _print_landed(summary: Summary, console: Console) -> None:
    landed = summary.landed
    eligible = sum(check.n_eligible for check in summary.checks)
    scored = sum(check.n_scored for check in summary.checks)
    unscored = sum(check.n_unscored for check in summary.checks)
    pending = sum(check.n_pending for check in summary.checks)
    console.rule("LLM Quality Observer: what the demo found", style="bold")
    console.print(
        f"[b]{landed.n_imported + landed.n_through_proxy:,}[/b] calls landed "
        f"({landed.n_imported:,} imported, {landed.n_through_proxy:,} live through the proxy), "
        f"{landed.n_dead_letters:,} dead letters"
    )
    if landed.first and landed.last:
        console.print(f"from {landed.first:%Y-%m-%d %H:%M} to {landed.last:%Y-%m-%d %H:%M} UTC")
    console.print(
        f"[b]{eligible:,}[/b] verdicts due = {scored:,} scored + {unscored:,} not applicable or not evaluable"
        f" (each with its reason) + {pending:,} pending"
    )


def _print_models(summary: Summary, console: Console) -> None:
    table = _table("Quality and cost by model")
    for name, right in (
        ("model", False),
        ("calls", True),
        ("errors", True),
        ("failing", True),
        ("95 % CI", True),
        ("p50", True),
        ("p95", True),
        ("USD", True),
        ("unpriced", True),
    ):
        table.add_column(name, justify="right" if right else "left")
    for line in summary.models:
        table.add_row(
            line.model,
            f"{line.n_calls:,}",
            f"{line.n_error:,}",
            _percent(line.fail_rate),
            _interval(line.fail_rate_low, line.fail_rate_high),
            _seconds(line.p50_ms),
            _seconds(line.p95_ms),
            "–" if line.amount_usd is None else f"{line.amount_usd:,.4f}",
            f"{line.n_unpriced:,}",
        )
    console.print(table)
    if summary.unpriced:
        reasons = ", ".join(f"{reason}: {n:,}" for reason, n in summary.unpriced.items())
        console.print(f"unpriced is not free, and says why: {reasons}", style="dim")


def _print_money(summary: Summary, console: Console) -> None:
    money, mover, invoice = summary.money, summary.mover, summary.invoice
    console.print(
        f"[b]{_usd(money.amount_usd)}[/b] charged in all: {_usd(money.failed_usd)} bought no answer,"
        f" {_usd(money.judge_usd)} went to judges; caches saved {_usd(money.cache_saved_usd)}"
    )
    if mover is not None:
        console.print(
            f"moved most in a week: {mover.name} {_usd(mover.delta_usd)}"
            f" ({_usd(mover.volume_usd)} by more or fewer calls, {_usd(mover.rate_usd)} by what a call costs)"
        )
    if invoice is not None:
        causes = ", ".join(f"{name} {_usd(value)}" for name, value in invoice.causes.items())
        console.print(
            f"the simulated provider's invoice is [b]{invoice.verdict.lower()}[/b]: billed"
            f" {_usd(invoice.billed_usd)}, charged {_usd(invoice.charged_usd)}"
            f"{f'; {causes}' if causes else ''}; unexplained {_usd(invoice.unexplained_usd)}"
        )


def _print_checks(summary: Summary, console: Console) -> None:
    table = _table("Checks by kind")
    for name in ("check", "failed", "of scored", "coverage"):
        table.add_column(name, justify="left" if name == "check" else "right")
    for check in summary.checks:
        table.add_row(
            check.evaluator, f"{check.n_failed:,}", _percent(check.fail_rate), _percent(check.coverage)
        )
    console.print(table)


def _print_regression(summary: Summary, console: Console) -> None:
    table = _table(f"What got worse: {summary.regressed_model}")
    for name in ("day", "failing", "of", "against the other models"):
        table.add_column(name, justify="right" if name in ("failing", "of") else "left")
    for line in reversed(summary.regression):
        style = "red" if line.verdict == "worse" else None
        table.add_row(
            str(line.day), _percent(line.fail_rate), f"{line.n_scored:,}", line.verdict, style=style
        )
    console.print(table)
    for alert in reversed(summary.alerts):
        sent = "sent to a webhook of the demo" if alert.sent else "not sent"
        style = "red" if alert.transition == "firing" else "green"
        console.print(
            f"[{style}]{alert.transition:<9}[/{style}] {alert.happened_at:%Y-%m-%d %H:%M} UTC  "
            f"{alert.message} ({sent})"
        )


def _print_judged(summary: Summary, console: Console) -> None:
    if not summary.judged:
        return
    newest = summary.judged[0]
    table = _table(f"A simulated judge of {newest.model}: {newest.evaluator}")
    for name in ("day", "mean grade", "95 % CI", "judged", "of calls", "coverage"):
        table.add_column(name, justify="left" if name == "day" else "right")
    for line in reversed(summary.judged):
        low, high = line.mean_score_low, line.mean_score_high
        table.add_row(
            str(line.day),
            "–" if line.mean_score is None else f"{line.mean_score:.2f}",
            "–" if low is None or high is None else f"{low:.2f}–{high:.2f}",
            f"{line.n_scored:,}",
            f"{line.n_eligible:,}",
            _percent(line.coverage),
        )
    console.print(table)
    if newest.calibration_state != "ok":
        console.print(
            f"the judge is {newest.calibration_state}: no people's labels bear it out, so it fires no alert "
            "and leads no table (docs/calibration.md)",
            style="dim",
        )


def _print_pattern(summary: Summary, console: Console) -> None:
    line = summary.pattern
    if line is None:
        return
    console.print(f"[b]The prompt that failed most on {line.day}[/b]")
    console.print(
        f"“{line.template}” failed {_percent(line.fail_rate)} of {line.n_scored:,} calls"
        f" (95 % CI {_interval(line.fail_rate_low, line.fail_rate_high)}), all other prompts"
        f" {_percent(line.rest_fail_rate)}",
        markup=False,
        highlight=False,
    )


def _print_slowest(summary: Summary, console: Console) -> None:
    table = _table("Slowest calls")
    for name in ("when", "model", "prompt", "took", "call"):
        table.add_column(name, justify="right" if name == "took" else "left")
    for call in summary.slowest:
        when = f"{call.started_at:%m-%d %H:%M}"
        table.add_row(when, call.model, call.prompt_name or "", _seconds(call.latency_ms), call.call_id)
    console.print(table)


def _print_next(summary: Summary, console: Console) -> None:
    console.rule("What to open next", style="bold")
    if summary.drift_report:
        console.print(f"drift report   {summary.drift_report}", soft_wrap=True)
    console.print("the week       .venv/bin/lqo report weekly      (one page; docs/reports.md)")
    console.print("the invoice    .venv/bin/lqo invoices page      (matched or not; docs/invoices.md)")
    console.print("alerts         .venv/bin/lqo alerts history   (to your Slack: docs/channels.md)")
    console.print("the stack      make up      (proxy, Dagster UI, analytics API; prints every URL)")
    console.print(
        'a question     .venv/bin/lqo sql "select day, model, fail_rate, verdict from marts.model_comparison '
        'order by day desc, model limit 10"',
        soft_wrap=True,
    )
    console.print("your own logs  .venv/bin/lqo import calls.jsonl   (docs/call-record.md)")
    total = sum(summary.seconds.values())
    slowest = sorted(summary.seconds.items(), key=lambda item: -item[1])
    steps = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in slowest if seconds >= 1)
    console.print(f"took {total:.0f} s ({steps})", style="dim")


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1)
    )


def _usd(value: Decimal) -> str:
    return f"{'−' if value < 0 else ''}${abs(value):,.4f}"


def _percent(value: Decimal | float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{100 * low:.1f}–{100 * high:.1f}"


def _seconds(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds / 1000:.2f} s"
