"""The report's tables of models beside each other, a table for each evaluator's version."""

from evaluators.statistics.estimate import Estimate
from reports.weekly import svg, wording
from reports.weekly.figures import Comparison, Figures
from reports.weekly.html import Column, nothing, table
from reports.weekly.wording import grade, grades, interval, name, percent

# Imports bring an evaluator a score's name: hundreds of tables are no report.
MOST_COMPARED = 8
TONES = {"worse": "bad", "better": "good"}


def comparison(figures: Figures) -> str:
    """Each model against the others by each evaluator's version: as it came, at equal traffic and prompts."""
    if not figures.comparisons:
        return nothing("There is nothing to compare.") + _speaks_for(figures)
    columns = (
        *(Column("model"), Column("figure", True), Column("as it came", True)),
        *(Column("equal traffic", True), Column("equal prompts", True), Column("", True), Column("verdict")),
    )
    parts: list[str] = []
    keys = list(dict.fromkeys((one.evaluator, one.version, one.measure) for one in figures.comparisons))
    for key in keys[:MOST_COMPARED]:
        members = [one for one in figures.comparisons if (one.evaluator, one.version, one.measure) == key]
        ends = [abs(end) for one in members for end in _ends(one.fairest.estimate)]
        reach = max([*ends, 1e-9])
        parts.append(
            f"<h3>{_compared_by(members[0])}</h3>"
            f"{_unproved(figures, members[0])}"
            + table(
                columns,
                [_comparison(one, reach=reach) for one in members],
                label=f"Models compared by {wording.plain(members[0].evaluator)}",
                look="fold",
            )
        )
    parts.append(_speaks_for(figures))
    n_more = len(keys) - MOST_COMPARED
    if n_more > 0:
        parts.append(f'<p class="dim">{n_more:,} more versions of evaluators compare models, too.</p>')
    return "".join(parts)


def _speaks_for(figures: Figures) -> str:
    """A comparison is of days that were modelled in full: a part of the week must not pass for all of it."""
    n_compared = sum(one.estimate.n for one in figures.comparisons if one.measure == "fail_rate")
    n_scored = sum(model.failing.n for model in figures.models)
    if n_compared >= n_scored:
        return ""
    return (
        f'<p class="dim">The comparison by rules speaks for {n_compared:,} of {n_scored:,} scored calls: the '
        "others’ days are not modelled in full yet, and are missing where prompts are listed, too.</p>"
    )


def _ends(found: Estimate) -> tuple[float, ...]:
    return (found.low, found.high) if found.has_interval else ()


def _compared_by(one: Comparison) -> str:
    if one.measure == "fail_rate":
        return f"Failing calls by rule set {name(one.version)} <small class=dim>(lower is better)</small>"
    if one.kind == "external":
        return (
            f"Mean of the imported score {name(one.evaluator)}, version {name(one.version)} "
            "<small class=dim>(on a scale of its own)</small>"
        )
    return (
        f"Mean grade by the judge of {name(one.evaluator)}, version {name(one.version)} "
        "<small class=dim>(higher is better)</small>"
    )


def _unproved(figures: Figures, one: Comparison) -> str:
    if figures.may_rank(one):
        return ""
    told = "Nobody’s labels bear this evaluator out: what it says of models is no finding."
    return f'<p class="dim">{told}</p>'


def _comparison(one: Comparison, *, reach: float) -> list[str]:
    is_share = one.measure == "fail_rate"
    fairest = one.fairest
    shown, tone = fairest.estimate, TONES.get(one.verdict, "c6")
    mark = (
        svg.whisker(shown.value, shown.low, shown.high, reach=reach, look=tone) if shown.has_interval else ""
    )
    figure = (
        f"{percent(one.estimate.value)}<small>{interval(one.estimate)}</small>"
        if is_share
        else f"{grade(one.estimate)}<small>{grades(one.estimate)}</small>"
    )
    covered = "" if one.mix_coverage is None else f", {percent(one.mix_coverage, digits=0)} covered"
    as_it_came, traffic, equal = (
        each.estimate for each in (one.as_it_came, one.equal_traffic, one.equal_prompts)
    )
    return [
        name(one.model),
        f"{figure}<small>n {one.estimate.n:,}</small>",
        _difference(as_it_came, is_share=is_share, n=f"others n {as_it_came.n:,}"),
        _difference(traffic, is_share=is_share, n=f"n {traffic.n:,}{covered}"),
        _difference(equal, is_share=is_share, n=f"{equal.n:,} prompts"),
        mark,
        f'<span class="{tone}-text">{wording.safe(one.verdict)}</span>'
        f"{f'<small>{wording.safe(fairest.basis)}</small>' if fairest.is_enough else ''}",
    ]


def _difference(found: Estimate, *, is_share: bool, n: str) -> str:
    if not found.is_known:
        return wording.NONE
    scale, digits, unit = (100, 1, " points") if is_share else (1, 2, "")
    value, low, high = (
        wording.signed(scale * part, digits=digits) for part in (found.value, found.low, found.high)
    )
    ends = f"{low} to {high}" if found.has_interval else "no interval"
    return f"{value}{unit}<small>{ends}</small><small>{n}</small>"
