"""The report's tables: models, prompts, cost, incidents, drift, evaluators."""

from collections.abc import Iterable, Sequence
from html import escape

from evaluators.statistics.estimate import Estimate
from reports.weekly import svg, wording
from reports.weekly.figures import (
    Cost,
    DriftFinding,
    EvaluatorWeek,
    Figures,
    Incident,
    ModelWeek,
    Share,
)
from reports.weekly.html import Column, nothing, table
from reports.weekly.wording import interval, name, percent, seconds, usd

MOST_REASONS = 3
MOST_EVALUATORS = 60
REASONS = {
    "not_enough_calls": "under 30 calls on one side",
    "no_values": "no value on one side",
    "not_comparable": "not comparable",
}


def models(figures: Figures) -> str:
    """Each model: traffic, failures with interval and rule set, the week before, latency, price."""
    if not figures.models:
        return nothing("No model was called.")
    top = max(
        (one.share.estimate.value for model in figures.models for one in model.failing_days if one.share.n),
        default=0.0,
    )
    columns = (
        *(Column("model"), Column("calls", True), Column("failing", True), Column("week before", True)),
        *(Column("by day", True), Column("p50, p95 (± 1 %)", True), Column("USD", True)),
        Column("USD per 1,000", True),
    )
    rows = [_model(figures, model, top=max(top, 0.02)) for model in figures.models]
    return table(columns, rows, label="Models in the week", look="fold") + _left_out(figures)


def _model(figures: Figures, model: ModelWeek, *, top: float) -> list[str]:
    by_day = {one.day: one.share.estimate.value for one in model.failing_days if one.share.n}
    errors = f"<small>{model.traffic.n_error:,} errors</small>" if model.traffic.n_error else ""
    return [
        name(model.model),
        f"{model.traffic.n_calls:,}{errors}",
        _rate(model.failing, model.failing_before),
        _before(model.failing_before),
        svg.spark([by_day.get(day) for day in figures.chart_days], top=top),
        f"{seconds(model.latency.p50_ms)}, {seconds(model.latency.p95_ms)}"
        f"<small>n {model.latency.n:,}</small>",
        f"{usd(model.cost.amount_usd)}{_priced(model.cost)}",
        usd(model.cost.per_thousand_usd),
    ]


def _left_out(figures: Figures) -> str:
    n_shown = sum(model.traffic.n_calls for model in figures.models)
    rest = figures.traffic.n_calls - n_shown
    return f'<p class="dim">{rest:,} calls of other models are not listed.</p>' if rest > 0 else ""


def prompts(figures: Figures) -> str:
    """The prompts that fail most beyond doubt."""
    if not figures.prompts:
        return nothing("No prompt has been read.")
    columns = (
        *(Column("prompt"), Column("version"), Column("project"), Column("calls", True)),
        *(Column("failing", True), Column("USD", True)),
    )
    rows = [
        [
            name(one.name),
            name(one.version),
            name(one.project),
            f"{one.n_calls:,}",
            _rate(one.failing),
            usd(one.amount_usd),
        ]
        for one in figures.prompts
    ]
    return table(columns, rows, label="Prompts in the week", look="fold")


def judge_costs(figures: Figures) -> str:
    """What judging cost; nothing where no judge was asked."""
    if not figures.judge_costs:
        return ""
    columns = (Column("judge"), Column("version"), Column("USD", True), Column("calls", True))
    rows = [
        [
            f"{name(one.judge)}<small>{name(one.evaluator)}</small>",
            name(one.evaluator_version),
            usd(one.cost.amount_usd),
            f"{one.cost.n_priced + one.cost.n_unpriced:,}{_priced(one.cost)}",
        ]
        for one in figures.judge_costs
    ]
    return f"<h3>Judging</h3>{table(columns, rows, label='Cost of judging', look='fold')}"


def incidents(figures: Figures) -> str:
    """Alerts that fired in the week or went on into it."""
    if not figures.incidents:
        return nothing("No alert fired.")
    columns = (Column("what"), Column("began"), Column("ended"), Column("lasted", True), Column("in words"))
    rows = [_incident(figures, one) for one in figures.incidents]
    n_more = figures.n_incidents - len(rows)
    more = (
        f'<p class="dim">{n_more:,} more are not listed; they are over, or weigh less.</p>' if n_more else ""
    )
    return table(columns, rows, label="Incidents", look="fold") + more


def _incident(figures: Figures, one: Incident) -> list[str]:
    if one.ended_at is None:
        ended, lasted = '<span class="bad-text">goes on</span>', figures.made_at - one.began_at
    else:
        ended, lasted = wording.moment(one.ended_at), one.ended_at - one.began_at
    silenced = ", silenced" if one.was_silenced else ""
    n = f"<small>n {one.n:,}</small>" if one.n is not None else ""
    return [
        f"{name(one.group)}<small>{wording.safe(one.rule)}, {wording.safe(one.severity)}{silenced}</small>",
        wording.moment(one.began_at),
        ended,
        wording.duration(lasted),
        f"<span>{escape(wording.message(one.message))}{n}</span>",
    ]


def drift(figures: Figures) -> str:
    """A row a column of the calls, a cell a day: drifted, not, or not compared."""
    if not figures.drift:
        return nothing("No day of the week has been compared with the days before it yet.")
    by_column: dict[str, dict[object, DriftFinding]] = {}
    for one in figures.drift:
        by_column.setdefault(one.column, {})[one.day] = one
    week = [day for day in figures.week.chart_days if day >= figures.week.first_day]
    head = (Column("column"), *(Column(f"{day:%a} {day.day}") for day in week))
    rows = [
        [wording.safe(column), *(_drift_cell(found.get(day)) for day in week)]
        for column, found in sorted(by_column.items(), key=lambda one: (-_n_drifted(one[1].values()), one[0]))
    ]
    versions = ", ".join(sorted({one.evidently_version for one in figures.drift}))
    shown = [one for one in figures.drift if one.is_drift]
    return (
        f"{table(head, rows, label='Drift by column and day', look='days')}"
        '<p class="dim">● differs from the seven days before, · does not, – not compared. Tests by Evidently '
        f"{wording.safe(versions)}.{_by_chance(figures.drift)}</p>"
        f"{_drifted(shown)}"
    )


def _by_chance(found: Sequence[DriftFinding]) -> str:
    if not any("p_value" in (one.method or "") for one in found):
        return ""
    return " Where the test is a p-value, one of nine columns differs by chance about every second day."


def _n_drifted(found: Iterable[DriftFinding]) -> int:
    return sum(one.is_drift for one in found)


def _drift_cell(one: DriftFinding | None) -> str:
    if one is None:
        return '<span class="calm" title="no report of this day">–</span>'
    if one.value is None:
        reason = one.reason or "unknown"
        return f'<span class="calm" title="{wording.safe(REASONS.get(reason, reason))}">–</span>'
    if not one.is_drift:
        return '<span class="calm">·</span>'
    return '<span class="drift">●</span>'


def _drifted(shown: Sequence[DriftFinding]) -> str:
    if not shown:
        return ""
    columns = (
        *(Column("column"), Column("day"), Column("median", True), Column("before", True)),
        *(Column("test"), Column("value", True), Column("n", True), Column("days in a row", True)),
    )
    rows = [
        [
            wording.safe(one.column),
            wording.day(one.day),
            _plain_number(one.median_current),
            _plain_number(one.median_reference),
            wording.safe(one.method or ""),
            f"{one.value:.3g}<small>bound {one.threshold:.3g}</small>",
            f"{one.n_current:,}<small>before {one.n_reference:,}</small>",
            f"{one.n_days_in_row}",
        ]
        for one in sorted(shown, key=lambda one: (-one.n_days_in_row, one.column, one.day))
    ]
    return table(columns, rows, label="Drift findings", look="fold")


def evaluators(figures: Figures) -> str:
    """Every version of an evaluator that judged calls of the week: what failed, and what it speaks for."""
    if not figures.evaluators:
        return nothing("No evaluator has judged a call of the week.")
    columns = (
        *(Column("evaluator"), Column("version"), Column("failing", True), Column("week before", True)),
        *(Column("coverage", True), Column("not scored")),
    )
    rows = [_evaluator(figures, one) for one in figures.evaluators[:MOST_EVALUATORS]]
    n_more = len(figures.evaluators) - len(rows)
    more = f'<p class="dim">{n_more:,} more versions of evaluators are not listed.</p>' if n_more else ""
    return table(columns, rows, label="Evaluators in the week", look="fold") + more


def _evaluator(figures: Figures, one: EvaluatorWeek) -> list[str]:
    states = {(found.evaluator, found.version): found for found in figures.calibrations}
    found = states.get((one.evaluator, one.version))
    # Rules may alert without labels, so that nobody has compared one is no news.
    is_told = found is not None and (one.kind != "rule" or found.kappa.is_known)
    state = f"<small>{wording.safe(found.state)}{_kappa(found.kappa)}</small>" if found and is_told else ""
    reasons = [f"{wording.safe(reason)} {n:,}" for reason, n in one.reasons[:MOST_REASONS]]
    reasons += [f"sampled out {one.n_sampled_out:,}"] if one.n_sampled_out else []
    reasons += [f'<span class="bad-text">pending {one.n_pending:,}</span>'] if one.n_pending else []
    failing = one.failing
    return [
        f"{name(one.evaluator)}<small>{wording.safe(one.kind)}</small>",
        f"{name(one.version)}{state}",
        wording.NONE if failing is None else _rate(failing, one.before),
        wording.NONE if failing is None else _before(one.before),
        f"{percent(one.coverage.estimate.value)}<small>{one.n_scored:,} of {one.n_eligible:,}</small>",
        f"<span>{', '.join(reasons) or wording.NONE}</span>",
    ]


def _kappa(kappa: Estimate) -> str:
    if not kappa.is_known:
        return ""
    ends = f" ({kappa.low:.2f}–{kappa.high:.2f})" if kappa.has_interval else ""
    return f", kappa {kappa.value:.2f}{ends}, n {kappa.n:,}"


def _before(before: Share) -> str:
    if not before.n:
        return wording.NONE
    return f"{percent(before.estimate.value)}<small>n {before.n:,}</small>"


def _rate(share: Share, before: Share | None = None) -> str:
    if not share.n:
        return f"{wording.NONE}<small>nothing scored</small>"
    found = share.estimate
    by = f", {wording.safe(wording.rule_sets(share.versions))}" if share.versions else ""
    moved = _moved(share, before) if before else ""
    return f"{percent(found.value)}{moved}<small>{interval(found)}</small><small>n {share.n:,}{by}</small>"


def _moved(now: Share, before: Share) -> str:
    """Whether the share is shown to differ from the week before; what other rules said is not compared."""
    if not before.n or now.versions != before.versions or not now.minus(before).excludes(0):
        return ""
    tone, word = ("bad", "▲ up") if now.minus(before).value > 0 else ("good", "▼ down")
    return f' <span class="{tone}-text">{word}</span>'


def _priced(cost: Cost) -> str:
    return f"<small>{cost.n_unpriced:,} without a price</small>" if cost.n_unpriced else ""


def _plain_number(value: float | None) -> str:
    return wording.NONE if value is None else f"{value:,.4g}"
