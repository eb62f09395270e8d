"""A run's summary as people read it: in a terminal, and as a comment on a pull request."""

import re
from collections.abc import Iterator

from orchestration.comparison.summary import Figure, JudgeSummary, SideSummary, Summary

_WORDS = {
    "measured": "measured, without a gate",
    "passed": "passed",
    "failed": "FAILED",
    "not_judged": "could not be judged",
}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#])")


def as_text(summary: Summary) -> str:
    """Lines for a terminal."""
    return "\n".join(_lines(summary))


def as_markdown(summary: Summary) -> str:
    """A comment for a pull request: ids and figures, no text of the dataset."""
    return "\n".join(_markdown(summary)) + "\n"


def _lines(summary: Summary) -> Iterator[str]:
    yield f"run        {summary.run_id}" + (f" ({summary.name})" if summary.name else "")
    yield f"dataset    {summary.dataset}: {summary.n_items} items, {summary.n_prompts} prompts"
    yield f"candidate  {_side(summary.candidate)}"
    if summary.baseline is not None:
        yield f"baseline   {_side(summary.baseline)}"
    for judge in summary.judges:
        yield f"judge      {judge.model} as {judge.evaluator} {judge.version}: {_calibration(judge)}"
    yield f"           {_spending(summary)}"
    yield ""
    width = max([len(name) for name in summary.measures], default=6)
    yield f"{'metric':{width}}  {'value':>8}  {'95 % interval':>18}  {'scored':>14}  prompts"
    for name, figure in summary.measures.items():
        scored = f"{figure.n} of {figure.n_eligible}"
        value, ends = _value(name, figure), _interval(name, figure)
        yield f"{name:{width}}  {value:>8}  {ends:>18}  {scored:>14}  {figure.n_prompts:>7}"
    yield from (f"unscored   {line}" for line in _unscored(summary))
    yield ""
    for check in summary.checks:
        yield f"{'FAILED' if check.has_failed else 'ok':6}  {check.condition}: {check.reason}"
    if summary.problem:
        yield f"ERROR   {summary.problem}"
    yield f"The gate {_WORDS[summary.outcome]}." if summary.outcome != "measured" else "There was no gate."


def _markdown(summary: Summary) -> Iterator[str]:
    icon = {"passed": "✅", "failed": "❌", "not_judged": "⚠️"}.get(summary.outcome, "📏")
    sides = _escaped(summary.candidate.name)
    if summary.baseline is not None:
        sides += f" against {_escaped(summary.baseline.name)}"
    yield f"### {icon} Evaluation of {sides}: {_WORDS[summary.outcome]}"
    yield ""
    for check in summary.checks:
        sign = "❌" if check.has_failed else "✅"
        yield f"- {sign} fails if `{check.condition}`: {_escaped(check.reason)}"
    if summary.problem:
        yield f"- ⚠️ {_escaped(summary.problem)}"
    yield ""
    yield "| metric | value | 95 % interval | scored | prompts |"
    yield "|---|---:|---:|---:|---:|"
    for name, figure in summary.measures.items():
        cells = (_value(name, figure), _interval(name, figure), f"{figure.n} of {figure.n_eligible}")
        yield f"| `{name}` | {' | '.join(cells)} | {figure.n_prompts} |"
    yield ""
    yield f"{summary.n_items} items of {_escaped(summary.dataset)}. Intervals are clustered on the prompt."
    for judge in summary.judges:
        standing = _escaped(_calibration(judge))
        yield f"Judge: {_escaped(judge.model)} as `{judge.evaluator}` `{judge.version}`, {standing}."
    yield from (f"Unscored: {_escaped(line)}." for line in _unscored(summary))
    yield from _changes(summary)
    yield ""
    yield f"<sub>run {summary.run_id}; {_escaped(_spending(summary))}</sub>"


def _changes(summary: Summary) -> Iterator[str]:
    if not summary.changes:
        return
    yield ""
    yield "<details><summary>Items that changed most</summary>"
    yield ""
    yield "| item | rubric | baseline | candidate |"
    yield "|---|---|---:|---:|"
    for each in summary.changes:
        cells = (_escaped(each.item_id), f"`{each.rubric}`", f"{each.baseline:g}", f"{each.candidate:g}")
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "</details>"


def _side(side: SideSummary) -> str:
    came = ", ".join(f"{count} {how}" for how, count in side.answers.items())
    tokens = "" if side.tokens is None else f"; {side.tokens:,} tokens"
    return f"{side.name}: {came}{tokens}"


def _calibration(judge: JudgeSummary) -> str:
    why = f" ({'; '.join(judge.reasons)})" if judge.reasons else ""
    return f"{judge.calibration}{why}"


def _spending(summary: Summary) -> str:
    cost = f", ${summary.judge_usd}" if summary.judge_calls > summary.judge_unpriced else ""
    unpriced = f" and {summary.judge_unpriced} without a price" if summary.judge_unpriced else ""
    known = f"{summary.judge_reused} verdicts were there already"
    return f"{summary.judge_calls} judge calls{cost}{unpriced}; {known}"


def _unscored(summary: Summary) -> Iterator[str]:
    for side, rubrics in summary.unscored.items():
        for rubric, reasons in rubrics.items():
            yield f"{side}, {rubric}: {_counts(reasons)}"
    if summary.unsettled:
        yield f"pairs: {_counts(summary.unsettled)}"


def _counts(reasons: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items())


def _value(name: str, figure: Figure) -> str:
    return "–" if figure.value is None else _number(name, figure.value)


def _interval(name: str, figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return "–"
    return f"{_number(name, figure.low)} to {_number(name, figure.high)}"


def _number(name: str, value: float) -> str:
    """A difference with its sign; a bare rubric is a difference."""
    is_difference = "." not in name and name not in (
        "win_rate",
        "win_rate_without_ties",
        "flip_rate",
        "longest_wins",
    )
    # -0.0 would say that something fell.
    rounded = round(value, 3) + 0.0
    return f"{rounded:+.3f}" if is_difference else f"{rounded:.3f}"


def _escaped(text: str) -> str:
    """Text of other people in Markdown: one line, no markup, no mention of anybody."""
    plain = " ".join(text.split())
    return _SPECIAL.sub(r"\\\1", plain).replace("@", "@\u200b")
