"""The gate: what it takes, and that nothing unmeasured ever passes it."""

import math

import pytest

from orchestration.comparison.figures import metric_names
from orchestration.comparison.gate import GateError, check_conditions, parse_condition
from orchestration.comparison.measures import Measure

METRICS = metric_names(["overall", "tone"], has_baseline=True, is_pairwise=True)


def measure(
    value: float = 0.0, *, low: float = -0.1, high: float = 0.1, n: int = 50, **counts: int
) -> Measure:
    given = {"n_prompts": n, "n_eligible": n} | counts
    return Measure(value=value, low=low, high=high, n=n, **given)


def has_failed(text: str, found: Measure, **limits: float) -> bool:
    condition = parse_condition(text, metrics=METRICS)
    (check,) = check_conditions([condition], {condition.metric: found}, **limits)  # type: ignore[arg-type]
    assert check.reason
    return check.has_failed


@pytest.mark.parametrize(
    ("text", "metric", "part", "sign", "bound"),
    [
        ("overall<-0.1", "overall", "value", "<", -0.1),
        (" overall.low <= 0 ", "overall", "low", "<=", 0.0),
        ("win_rate.high>.5", "win_rate", "high", ">", 0.5),
        ("tone.mean>=+4.", "tone.mean", "value", ">=", 4.0),
        ("tone.mean.low<3", "tone.mean", "low", "<", 3.0),
        ("tone.baseline_mean.high>4.5", "tone.baseline_mean", "high", ">", 4.5),
    ],
)
def test_a_condition_is_read(text: str, metric: str, part: str, sign: str, bound: float) -> None:
    found = parse_condition(text, metrics=METRICS)
    assert (found.metric, found.part, found.sign, found.bound) == (metric, part, sign, bound)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "overall",
            "overall<",
            "<1",
            "overall==0",
            "overall=0",
            "overall<<0",
            "overall<nan",
            "overall<inf",
        ),
        *(
            "overall<1e3",
            "overall<0x1",
            "overall<0 or True",
            "overall<0;win_rate<1",
            "overall<--1",
            "0<overall",
        ),
        *(
            "__import__('os')<1",
            "overall.__class__<1",
            "overall.median<0",
            "speed<0",
            "Overall<0",
            "overall<1_0",
        ),
        *("overall<\u0663", "tone.baseline<1", "win_rate.mean<1", "overall<" + "9" * 40, "a" * 999 + "<1"),
    ],
)
def test_anything_else_is_an_error_in_one_line(text: str) -> None:
    with pytest.raises(GateError) as caught:
        parse_condition(text, metrics=METRICS)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_what_the_run_will_not_measure_is_refused_before_it_runs() -> None:
    alone = metric_names(["overall"], has_baseline=False, is_pairwise=False)
    for text in ("overall<-0.1", "win_rate<0.5", "overall.baseline_mean<3"):
        with pytest.raises(GateError, match=r"is not measured by this run; it measures overall\.mean"):
            parse_condition(text, metrics=alone)
    assert parse_condition("overall.mean<3.5", metrics=alone).metric == "overall.mean"


@pytest.mark.parametrize(
    ("text", "value", "fails"),
    [
        ("overall<-0.1", -0.2, True),
        ("overall<-0.1", -0.1, False),
        ("overall<-0.1", -0.1 - 1e-12, False),
        ("overall<=-0.1", -0.1 + 1e-12, True),
        ("overall>0.1", 0.2, True),
        ("overall>=0.1", 0.1, True),
        ("overall>=0.1", 0.09, False),
    ],
)
def test_a_condition_compares_the_value(text: str, value: float, fails: bool) -> None:
    assert has_failed(text, measure(value, low=-9, high=9)) is fails


def test_low_and_high_compare_the_ends_of_the_interval() -> None:
    found = measure(0.05, low=-0.02, high=0.12)
    assert has_failed("overall.low<0", found)
    assert not has_failed("overall<0", found)
    assert has_failed("overall.high>0.1", found)
    assert not has_failed("overall.high>0.2", found)


@pytest.mark.parametrize("found", [measure(n=0), measure(math.nan, n=0, n_eligible=40)])
def test_a_metric_without_a_figure_is_an_error_and_no_pass(found: Measure) -> None:
    with pytest.raises(GateError, match="overall was not measured"):
        has_failed("overall<-0.1", found)


def test_a_metric_that_is_not_there_is_an_error_and_no_pass() -> None:
    condition = parse_condition("overall<-0.1", metrics=METRICS)
    with pytest.raises(GateError, match="overall was not measured"):
        check_conditions([condition], {"tone": measure()})


def test_an_end_that_is_unknown_is_an_error_and_no_pass() -> None:
    unknown = measure(0.5, low=math.nan, high=math.nan, n=40)
    with pytest.raises(GateError, match="overall has no low"):
        has_failed("overall.low<0", unknown)


def test_too_few_prompts_fail_however_good_the_figure_is() -> None:
    assert has_failed("overall<-0.1", measure(2.0, n=500, n_prompts=19))
    assert not has_failed("overall<-0.1", measure(2.0, n=500, n_prompts=20))
    assert not has_failed("overall<-0.1", measure(2.0, n=5), min_prompts=5)


def test_a_low_coverage_fails_however_good_the_figure_is() -> None:
    assert has_failed("overall<-0.1", measure(2.0, n=79, n_eligible=100))
    assert not has_failed("overall<-0.1", measure(2.0, n=80, n_eligible=100))
    assert not has_failed("overall<-0.1", measure(2.0, n=30, n_eligible=100), min_coverage=0.3)


def test_one_condition_that_fails_is_enough_and_all_are_told() -> None:
    conditions = [
        parse_condition(text, metrics=METRICS) for text in ("overall<-0.5", "tone<0", "win_rate<0.4")
    ]
    measures = {"overall": measure(0.0), "tone": measure(-0.1), "win_rate": measure(0.5)}
    assert [check.has_failed for check in check_conditions(conditions, measures)] == [False, True, False]
