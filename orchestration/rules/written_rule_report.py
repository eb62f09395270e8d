"""What a trial of a rule says to a person."""

from collections.abc import Iterable

from evaluators.rules.base import Rule
from evaluators.statistics.wilson import wilson_interval
from orchestration.rules.rule_sets import version_text
from orchestration.rules.written_rule_trial import FAIL, PASS, Example, Trial
from orchestration.windows import Window

MODELS = 8


def report(trial: Trial, *, rule: Rule, in_force: Rule | None, window: Window) -> str:
    """Hits, rates with 95 % intervals, the difference against the version in force, and examples."""
    lines = [
        f"{rule.name} {version_text(rule)}: {trial.n:,} of {trial.n_landed:,} calls from"
        f" {window.start:%Y-%m-%d} to before {window.end:%Y-%m-%d}"
    ]
    if not trial.n:
        return "\n".join([*lines, "  no calls to try it on"])
    lines.append(f"  fails {_share(trial.n_failed, trial.n_scored)}")
    if trial.unscored:
        reasons = ", ".join(f"{name} {n:,}" for name, n in trial.unscored.items())
        lines.append(f"  unscored {sum(trial.unscored.values()):,}: {reasons}")
    lines += [f"  {model}: {_share(n_failed, n)}" for model, n, n_failed in _models(trial)]
    lines += _difference(trial, rule=rule, in_force=in_force)
    if trial.seconds > 0:
        lines.append(f"  {trial.n / trial.seconds:,.0f} calls a second, judging alone")
    return "\n".join([*lines, *_examples("fails", trial.failures), *_examples("changes", trial.changes)])


def _models(trial: Trial) -> list[tuple[str, int, int]]:
    most = sorted(trial.by_model.items(), key=lambda item: -item[1][0])[:MODELS]
    return [(model, n, n_failed) for model, (n, n_failed) in most] if len(trial.by_model) > 1 else []


def _difference(trial: Trial, *, rule: Rule, in_force: Rule | None) -> list[str]:
    if in_force is None:
        return ["  no version of it is in force"]
    if version_text(in_force) == version_text(rule):
        return ["  this version is in force"]
    changed = {pair: n for pair, n in trial.pairs.most_common() if pair[0] != pair[1]}
    n_failed = sum(n for (before, _), n in trial.pairs.items() if before == FAIL)
    n_scored = sum(n for (before, _), n in trial.pairs.items() if before in (FAIL, PASS))
    agreed = trial.n - sum(changed.values())
    said = f"  against {version_text(in_force)} in force, which fails {_share(n_failed, n_scored)}:"
    lines = [f"{said} the same for {agreed:,} calls ({agreed / trial.n:.2%})"]
    return [*lines, *(f"    {before} → {after}: {n:,}" for (before, after), n in changed.items())]


def _share(n_failed: int, n_scored: int) -> str:
    if not n_scored:
        return "0 of 0 scored calls"
    low, high = wilson_interval(n_failed, n_scored)
    share = n_failed / n_scored
    return f"{n_failed:,} of {n_scored:,} scored calls: {share:.2%} ({low:.2%} to {high:.2%})"


def _examples(title: str, examples: Iterable[Example]) -> list[str]:
    lines = [f"  {title}"] if examples else []
    for each in examples:
        change = f"{each.before} → {each.after}" if each.before not in (None, each.after) else each.after
        parts = (
            f"{each.started_at:%Y-%m-%d %H:%M:%S}",
            each.call_id,
            each.model,
            change,
            each.evidence,
            " ".join((each.preview or "").split()),
        )
        lines.append("    " + "  ".join(part for part in parts if part))
    return lines
