"""The report's charts of judges and imported scores, one for each, a line a version."""

from collections.abc import Sequence
from math import floor

from reports.weekly import svg, wording
from reports.weekly.charts import LOOKS, told
from reports.weekly.figures import Figures, JudgeDay
from reports.weekly.html import Column, figure, table
from reports.weekly.svg import Point, Series
from reports.weekly.wording import grade, grades, percent

# A judge a chart; more than these have their rows in the table of evaluators alone.
MOST_JUDGES = 4
GRADE_TABLE = (
    *(Column("day"), Column("mean grade", True), Column("95 % interval", True), Column("n", True)),
    *(Column("coverage", True), Column("version")),
)


def judges(figures: Figures) -> str:
    """A chart for each of the judges that graded most: its mean grade, a line a version."""
    known = [one for one in figures.judge_days if one.mean.is_known]
    by_name = {one.evaluator: 0 for one in known}
    for one in known:
        by_name[one.evaluator] += one.mean.n
    shown = sorted(by_name, key=lambda evaluator: (-by_name[evaluator], evaluator))[:MOST_JUDGES]
    return "".join(
        _judge(figures, [one for one in known if one.evaluator == evaluator], key=f"judge{n}")
        for n, evaluator in enumerate(shown)
    )


def _judge(figures: Figures, days: Sequence[JudgeDay], *, key: str) -> str:
    evaluator, versions = days[0].evaluator, sorted({one.version for one in days})
    looks = {version: LOOKS[n % len(LOOKS)] for n, version in enumerate(versions)}
    states = {one.version: one.state for one in figures.calibrations if one.evaluator == evaluator}
    series = [
        Series(looks[version], [_judge_point(one) for one in days if one.version == version])
        for version in versions
    ]
    rows = [
        [
            wording.day(one.day),
            grade(one.mean),
            grades(one.mean),
            f"{one.mean.n:,}",
            percent(one.coverage.estimate.value),
            wording.name(one.version),
        ]
        for one in sorted(days, key=lambda one: (one.day, one.version))
    ]
    legend = [
        (looks[version], f"{wording.name(version)} ({wording.safe(states.get(version, 'uncalibrated'))})")
        for version in versions
    ]
    shown = wording.visible(evaluator)
    is_imported = days[0].kind == "external"
    values = [one.mean.value for one in days]
    bottom = 1.0 if min(values) >= 1 else 0.0
    axes = svg.frame(
        figures.chart_days,
        max(values),
        label=lambda value: f"{value:g}",
        week=(figures.week.first_day, figures.week.last_day),
        # Grades go from 1 to 5; nobody knows the scale of a score that came with an import.
        least=1e-9 if is_imported else 5.0,
        bottom=float(min(0, floor(min(values)))) if is_imported else bottom,
        marks=[found.at.date() for found in figures.boundaries if found.evaluator == evaluator],
    )
    return figure(
        heading=f"{'Imported score' if is_imported else 'Judge of'} {shown}",
        below="Mean of the scores that came with an import, on a scale of their own, with 95 % intervals."
        if is_imported
        else "Mean grade, 1 to 5, weighted for the judge's sampling, with 95 % intervals.",
        legend=legend,
        svg=svg.lines(
            axes,
            series,
            title=f"Mean of {shown} by day",
            told=told("mean grade", [(one.day, one.mean.value) for one in days], show=lambda of: f"{of:.2f}"),
            key=key,
        ),
        data=table(GRADE_TABLE, rows, label=f"Mean of {shown} by day"),
    )


def _judge_point(found: JudgeDay) -> Point:
    mean = found.mean
    low, high = (mean.low, mean.high) if mean.has_interval else (None, None)
    note = f"{wording.day(found.day)}: {grade(mean)} ({grades(mean)}, n {mean.n:,})"
    return Point(found.day, mean.value, low, high, note)
