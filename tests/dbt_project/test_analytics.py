"""Marts and functions of analytics against an independent computation, and what they say of little."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from math import sqrt
from typing import Any, LiteralString

import polars as pl
import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from tests.dbt_project.analytics_seed import scores_of_rules, stratum
from tests.dbt_project.comparing import Compared, Score, compare, difference
from tests.dbt_project.expected import wilson
from tests.dbt_project.marts import records
from tests.dbt_project.running_dbt import Dbt, days, hours
from tests.dbt_project.seed import FIRST_DAY, LAST_DAY, MIDDLE_DAY

pytestmark = pytest.mark.xdist_group("analysed")

Connection = psycopg.Connection[TupleRow]
Row = dict[str, Any]

CALLS = """
select
    (calls.started_at at time zone 'UTC')::date as day,
    calls.*,
    coalesce(calls.user_id, '(none)') as by_user,
    prompt_hash,
    n_characters,
    coalesce(prompt_class, '(unknown)') as prompt_class,
    coalesce(language, '(unknown)') as language
from marts.calls
left join evaluation.prompt_assignments using (started_at, call_id)
"""
ALL_DAYS = (FIRST_DAY, LAST_DAY)


@pytest.fixture
def reader(analysed: DatabaseUrl) -> Iterator[Connection]:
    """What a test writes is rolled back."""
    with connect(analysed) as connection:
        yield connection
        connection.rollback()


@pytest.fixture(scope="module")
def calls(analysed: DatabaseUrl) -> list[Row]:
    with connect(analysed) as connection:
        return records(connection, CALLS)


@pytest.fixture(scope="module")
def grades(analysed: DatabaseUrl) -> list[Row]:
    with connect(analysed) as connection:
        return records(connection, "select * from marts.judged_calls")


def read(connection: Connection, query: LiteralString, *given: object) -> list[Row]:
    """The rows of a query with arguments, inside the test's transaction."""
    cursor = connection.execute(query, given)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def test_days_are_the_sums_of_their_hours(reader: Connection) -> None:
    """Of polars over the hourly mart, which is tested against the calls."""
    keys = ["day", "model", "project", "evaluator", "evaluator_version", "kind"]
    counts = ["n_eligible", "n_scored", "n_failed", "n_unscored", "n_sampled_out", "n_pending"]
    hourly = pl.DataFrame(
        records(
            reader,
            f"select (hour at time zone 'UTC')::date as day, {', '.join([*keys[1:], *counts])}"
            " from marts.quality_hourly",
        ),
        infer_schema_length=None,
    )
    wanted = hourly.group_by(keys).agg(pl.col(counts).sum()).sort(keys).to_dicts()
    found = records(reader, f"select * from marts.quality_daily order by {', '.join(keys)}")
    for have, want in zip(found, wanted, strict=True):
        is_rule = have["kind"] == "rule"
        names = [*keys, *(name for name in counts if is_rule or name != "n_failed")]
        assert {name: have[name] for name in names} == {name: want[name] for name in names}
        assert have["coverage"] == want["n_scored"] / want["n_eligible"]
        if is_rule and want["n_scored"]:
            passed = want["n_scored"] - want["n_failed"]
            interval = (have["pass_rate_low"], have["pass_rate_high"])
            assert interval == pytest.approx(wilson(passed, want["n_scored"]), abs=1e-12)
    judges = {row["kind"] for row in found} - {"rule"}
    assert judges == {"judge"}


def test_a_judges_day_is_the_same_in_both_marts(reader: Connection) -> None:
    names = (
        "day, model, project, evaluator, evaluator_version, n_scored, n_clusters, mean_score, mean_score_low"
    )
    order = "order by day, model, project, evaluator, evaluator_version"
    wanted = records(reader, f"select {names} from marts.judge_quality_daily {order}")
    assert wanted == records(
        reader, f"select {names} from marts.quality_daily where kind = 'judge' and n_scored > 0 {order}"
    )
    assert wanted


@pytest.mark.parametrize(
    ("mart", "columns"),
    [("quality_by_user", ["user_id"]), ("quality_by_prompt", ["prompt_name", "prompt_version"])],
)
def test_quality_by_users_and_prompts_adds_up_to_the_calls(
    reader: Connection, calls: list[Row], mart: str, columns: list[str]
) -> None:
    wanted: defaultdict[tuple[object, ...], Row] = defaultdict(
        lambda: {"n_calls": 0, "n_scored": 0, "n_failed": 0, "rules": defaultdict(int)}
    )
    for call in calls:
        version = call["rule_set_version"]
        key = (
            *(call[name] for name in ("day", "project")),
            *(call[name] or "(none)" for name in columns),
            call["model"],
            "(none)" if version is None else str(version),
        )
        wanted[key]["n_calls"] += 1
        wanted[key]["n_scored"] += call["is_failed"] is not None
        wanted[key]["n_failed"] += bool(call["is_failed"])
        for rule in call["failed_rules"] or ():
            wanted[key]["rules"][rule] += 1
    rows = records(reader, f"select * from marts.{mart} where evaluator = 'rules'")
    names = ["day", "project", *columns, "model", "evaluator_version"]
    found = {tuple(row[name] for name in names): row for row in rows}
    assert found.keys() == wanted.keys()
    for key, want in wanted.items():
        have = found[key]
        assert {name: have[name] for name in ("n_calls", "n_scored", "n_failed")} == {
            name: want[name] for name in ("n_calls", "n_scored", "n_failed")
        }
        assert have["failed_rules"] == want["rules"]
        if want["n_scored"]:
            assert have["fail_rate"] == want["n_failed"] / want["n_scored"]
    money = f"select sum(amount_usd) as usd, sum(output_tokens) as tokens from marts.{mart}"
    assert records(reader, money) == records(
        reader,
        "select sum(amount_usd) as usd, sum(output_text) + sum(output_image) as tokens from marts.calls",
    )


def test_grades_of_a_user_are_weighted_and_carry_their_calls(
    reader: Connection, calls: list[Row], grades: list[Row]
) -> None:
    by_id = {call["call_id"]: call for call in calls}
    weighted: defaultdict[tuple[object, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for grade in grades:
        call = by_id[grade["call_id"]]
        total = weighted[call["day"], call["project"], call["by_user"], call["model"]]
        total[0] += grade["weight"]
        total[1] += grade["weight"] * grade["value"]
    rows = records(reader, "select * from marts.quality_by_user where evaluator = 'tone'")
    assert len(rows) == len(weighted)
    n_calls: defaultdict[tuple[object, ...], int] = defaultdict(int)
    for call in calls:
        n_calls[call["day"], call["project"], call["by_user"], call["model"]] += 1
    for row in rows:
        key = tuple(row[name] for name in ("day", "project", "user_id", "model"))
        weight, total = weighted[key]
        assert (row["sum_w"], row["mean_score"]) == pytest.approx((weight, total / weight))
        assert row["evaluator_version"] == "1.0.0+a"
        assert row["coverage"] == row["n_scored"] / n_calls[key]


def test_the_mix_counts_every_call_once(reader: Connection, calls: list[Row]) -> None:
    wanted: defaultdict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for call in calls:
        key = (call["day"], call["model"], *stratum(call), call["rule_set_version"] or 0)
        wanted[key][0] += 1
        wanted[key][1] += call["is_failed"] is not None
        wanted[key][2] += bool(call["is_failed"])
    names = "day, model, project, prompt_class, language, length_band, rule_set_version"
    found = {
        tuple(row.values())[:7]: list(row.values())[7:]
        for row in records(reader, f"select {names}, n_calls, n_scored, n_failed from marts.traffic_mix")
    }
    assert found == wanted
    assert len({key[5] for key in found}) == 4, "three bands of length, and unknown"


def assert_compared(row: Row, want: Compared, *, rate: str = "estimate", mix: str = "standardised") -> None:
    """A row's figures are those computed from single calls."""

    def near(values: tuple[float | None, float | None]) -> Any:
        # The marts' quantiles of Student's t are an expansion, off by 0.1 % at few degrees of freedom.
        return pytest.approx(values, abs=1e-9, rel=2e-3)

    assert want.own_mix and want.rest_mix
    assert row[rate] == pytest.approx(want.own.estimate, abs=1e-9)
    assert (row[f"{rate}_low"], row[f"{rate}_high"]) == near((want.own.low, want.own.high))
    assert row["mix_coverage"] == pytest.approx(want.coverage, abs=1e-9)
    assert row["n_effective"] == pytest.approx(want.own_mix.n_effective)
    assert row["n_rest_effective"] == pytest.approx(want.rest_mix.n_effective)
    assert row[mix] == pytest.approx(want.own_mix.estimate, abs=1e-9)
    for name, (value, low, high) in {
        "difference": difference(want.own, want.rest),
        "standardised_difference": difference(want.own_mix, want.rest_mix),
    }.items():
        assert row[name] == pytest.approx(value, abs=1e-9)
        assert (row[f"{name}_low"], row[f"{name}_high"]) == near((low, high))


def test_a_day_is_compared_on_one_mix_of_prompts(reader: Connection, calls: list[Row]) -> None:
    rows = records(reader, "select * from marts.model_comparison")
    assert len(rows) == 12
    for day in {row["day"] for row in rows}:
        of_day = [call for call in calls if call["day"] == day]
        wanted = compare(scores_of_rules(of_day, with_rule_set=True)[None], is_rate=True)
        for row in rows:
            if row["day"] == day:
                assert_compared(row, wanted[row["model"]], rate="fail_rate", mix="standardised_fail_rate")


def test_a_day_compared_names_the_rule_sets_that_judged_it(reader: Connection, calls: list[Row]) -> None:
    judged: dict[tuple[Any, str], set[int]] = {}
    for call in calls:
        if call["is_failed"] is not None:
            judged.setdefault((call["day"], call["model"]), set()).add(call["rule_set_version"])
    found = {
        (row["day"], row["model"]): row["rule_set_versions"]
        for row in records(reader, "select * from marts.model_comparison")
    }
    assert found == {key: sorted(judged[key]) if key in judged else None for key in found}
    assert any(len(versions) > 1 for versions in judged.values())


def test_any_days_are_compared_by_rules_and_by_judges(
    reader: Connection, calls: list[Row], grades: list[Row]
) -> None:
    found = read(reader, "select * from marts.compare_models(%s, %s)", *ALL_DAYS)
    by_id = {call["call_id"]: call for call in calls}
    judged = [
        Score(
            grade["model"],
            stratum(by_id[grade["call_id"]]),
            # The marts of days know nothing of the same content on another day.
            (by_id[grade["call_id"]]["day"], grade["cluster"]),
            grade["value"],
            grade["weight"],
        )
        for grade in grades
    ]
    wanted = {
        **{
            ("rules", version): compare(scores, is_rate=True)
            for version, scores in scores_of_rules(calls, with_rule_set=False).items()
        },
        ("tone", "1.0.0+a"): compare(judged, is_rate=False),
    }
    assert {(row["evaluator"], row["evaluator_version"]) for row in found} == wanted.keys()
    for row in found:
        assert row["period"] == FIRST_DAY
        assert row["measure"] == ("fail_rate" if row["evaluator"] == "rules" else "mean_score")
        assert_compared(row, wanted[row["evaluator"], row["evaluator_version"]][row["model"]])
        assert row["n_calls"] == sum(call["model"] == row["model"] for call in calls)


def test_matched_prompts_are_those_that_both_have_answered(reader: Connection, calls: list[Row]) -> None:
    """Each prompt of each day is a pair; below 16 characters it is none."""
    answers: defaultdict[tuple[object, ...], defaultdict[str, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for call in calls:
        if call["is_failed"] is not None and (call["n_characters"] or 0) >= 16:
            prompt = (call["day"], call["project"], call["prompt_hash"], str(call["rule_set_version"]))
            answers[prompt][call["model"]].append(float(call["is_failed"]))
    differences: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
    for (*_, version), by_model in answers.items():
        means = {model: sum(values) / len(values) for model, values in by_model.items()}
        for model, mean in means.items():
            others = [value for other, value in means.items() if other != model]
            if others:
                differences[str(version), model, "(rest)"].append(mean - sum(others) / len(others))
            for other, value in means.items():
                if other != model:
                    differences[str(version), model, other].append(mean - value)
    against_rest = read(
        reader, "select * from marts.compare_models(%s, %s, of_evaluator => 'rules')", *ALL_DAYS
    )
    for row in against_rest:
        own = differences[row["evaluator_version"], row["model"], "(rest)"]
        assert row["n_matched_prompts"] == len(own)
        assert_matched(row, own, name="matched_difference")
    pairs = read(reader, "select * from marts.compare_pairs(%s, %s, of_evaluator => 'rules')", *ALL_DAYS)
    assert len(pairs) == len({key for key in differences if key[2] != "(rest)"})
    for row in pairs:
        own = differences[row["evaluator_version"], row["model"], row["other_model"]]
        assert row["n_prompts"] == len(own)
        assert_matched(row, own, name="difference")


def assert_matched(row: Row, differences: list[float], *, name: str) -> None:
    """Agresti and Min: two pairs more, one for each side."""
    if not differences:
        assert row[name] is row[f"{name}_low"] is row[f"{name}_high"] is None
        return
    n, total = len(differences), sum(differences)
    centre = total / (n + 2)
    half = 1.959963984540054 * sqrt(((sum(d * d for d in differences) + 1) / (n + 2) - centre**2) / (n + 2))
    raw = total / n
    assert row[name] == pytest.approx(raw, abs=1e-9)
    low, high = max(-1, min(raw, centre - half)), min(1, max(raw, centre + half))
    assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((low, high), abs=1e-9)


def test_days_weeks_and_months_are_compared_apart(reader: Connection) -> None:
    query = "select distinct period from marts.compare_models(%s, %s, %s) order by 1"
    # 31 October 2026 is a Saturday.
    periods = {
        "day": [FIRST_DAY, MIDDLE_DAY, LAST_DAY],
        "week": [date(2026, 10, 26), date(2026, 11, 2)],
        "month": [date(2026, 10, 1), date(2026, 11, 1)],
        "all": [FIRST_DAY],
    }
    for grain, wanted in periods.items():
        assert [row["period"] for row in read(reader, query, *ALL_DAYS, grain)] == wanted


@pytest.mark.parametrize("function", ["compare_models", "compare_pairs", "latency_percentiles"])
def test_a_grain_that_is_none_is_refused(reader: Connection, function: LiteralString) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="day, week or month, not year"):
        reader.execute(f"select * from marts.{function}(%s, %s, 'year')", ALL_DAYS)


@pytest.mark.parametrize("measure", ["latency", "ttft"])
def test_percentiles_over_days_are_at_most_one_percent_off(
    reader: Connection, calls: list[Row], measure: str
) -> None:
    query = "select * from marts.latency_percentiles(%s, %s, of_measure => %s)"
    found = {row["model"]: row for row in read(reader, query, *ALL_DAYS, measure)}
    assert found.keys() == {"(all)", *(call["model"] for call in calls if call[f"{measure}_ms"] is not None)}
    for model, row in found.items():
        values = sorted(
            call[f"{measure}_ms"]
            for call in calls
            if call["status"] == "ok"
            and call[f"{measure}_ms"] is not None
            and model in ("(all)", call["model"])
        )
        assert row["n_calls"] == len(values)
        for percent in (50, 95, 99):
            rank = -(-percent * len(values) // 100)
            assert row[f"p{percent}_ms"] == pytest.approx(values[rank - 1], rel=0.01 + 1e-9)
    one = "select distinct model from marts.latency_percentiles(%s, %s, of_models => '{model-1}')"
    assert {row["model"] for row in read(reader, one, *ALL_DAYS)} == {"(all)", "model-1"}


def test_imported_scores_of_a_profile_speak_for_themselves_and_grades_for_their_calls(
    reader: Connection,
) -> None:
    reader.execute(
        """
        insert into marts.quality_hourly (
            hour, model, project, evaluator, evaluator_version, kind, n_eligible, n_scored, n_unscored,
            unscored_by_reason, n_sampled_out, n_pending, n_clusters, mean_score, coverage
        )
        select hour, 'm', 'p', kind, '1', kind, n, scored, 0, '{}', n - scored, 0, scored, mean, 0.1
        from (values ('judge'), ('external')) as kinds (kind)
        cross join (
            values (timestamptz '2031-01-06 05:00+00', 100, 1, 1.0), ('2031-01-13 05:00+00', 10, 3, 5.0)
        ) as hours (hour, n, scored, mean)
        """
    )
    query = "select kind, n_hours, mean_score from marts.quality_profile_between('2031-01-01', '2031-01-31')"
    assert {row["kind"]: (row["n_hours"], row["mean_score"]) for row in read(reader, query)} == {
        "judge": (2, pytest.approx((100 * 1 + 10 * 5) / 110)),
        "external": (2, pytest.approx((1 * 1 + 3 * 5) / 4)),
    }


def test_a_profile_follows_the_time_zone(reader: Connection) -> None:
    """Seoul is nine hours ahead: 22:00 UTC of Saturday is 07:00 of Sunday there."""
    query = "select * from marts.quality_profile_between(%s, %s, %s) where kind = 'rule'"
    found = {
        (
            row["weekday"],
            row["hour_of_day"],
            row["model"],
            row["project"],
            row["evaluator"],
            row["evaluator_version"],
        ): row
        for row in read(reader, query, FIRST_DAY, LAST_DAY + timedelta(days=1), "Asia/Seoul")
    }
    hourly = read(
        reader,
        "select extract(isodow from hour + interval '9 hours')::int as weekday,"
        " extract(hour from hour + interval '9 hours')::int as hour_of_day,"
        " model, project, evaluator, evaluator_version, n_scored, n_failed from marts.quality_hourly"
        " where kind = 'rule' and hour >= '2026-10-30 15:00+00'",
    )
    wanted: defaultdict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in hourly:
        *key, n_scored, n_failed = row.values()
        for position, n in enumerate((1, n_scored, n_failed)):
            wanted[tuple(key)][position] += n
    assert {key: [row["n_hours"], row["n_scored"], row["n_failed"]] for key, row in found.items()} == wanted
    sunday = read(
        reader, "select count(*) as n from marts.quality_profile where weekday = 7 and hour_of_day = 5"
    )
    assert sunday[0]["n"] > 0


def test_the_calendar_has_days_without_calls(reader: Connection) -> None:
    reader.execute("delete from marts.cost_daily where day = %s", (MIDDLE_DAY,))
    rows = read(reader, "select * from marts.calendar order by day")
    assert [tuple(row.values()) for row in rows] == [
        (FIRST_DAY, date(2026, 10, 26), date(2026, 10, 1)),
        (MIDDLE_DAY, date(2026, 10, 26), date(2026, 11, 1)),
        (LAST_DAY, date(2026, 11, 2), date(2026, 11, 1)),
    ]
    reader.execute("delete from marts.cost_daily")
    assert read(reader, "select * from marts.calendar") == []


def test_intervals_of_sums_are_those_of_the_marts(reader: Connection) -> None:
    rules = """
        select pass_rate_low, marts.wilson_low(n_scored - n_failed, n_scored) as own
        from marts.quality_daily
    """
    judges = """
        select mean_score_high, marts.mean_high(n_clusters, sum_w, sum_wy, sum_ww, sum_wwy, sum_wywy) as own
        from marts.quality_daily where kind = 'judge'
    """
    for rows in (read(reader, rules), read(reader, judges)):
        assert rows
        for first, own in (row.values() for row in rows):
            assert own == (first if first is None else pytest.approx(first, abs=1e-12))
    nothing = read(reader, "select marts.wilson_low(0, 0) as low, marts.mean_low(1, 1, 1, 1, 1, 1) as mean")
    assert nothing == [{"low": None, "mean": None}]


MIX = """
insert into marts.traffic_mix (
    day, project, model, prompt_class, language, length_band, rule_set_version, n_calls, n_ok, n_error,
    n_scored, n_failed, n_priced
)
select
    '2026-12-01', 'p', model, prompt_class, 'en', '0-99', 1, n_scored + 1, n_scored + 1, 0, n_scored,
    n_failed, 0
from unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[])
    as given (model, prompt_class, n_scored, n_failed)
"""
DECEMBER = (date(2026, 12, 1), date(2026, 12, 31))


def given_mix(connection: Connection, rows: list[tuple[str, str, int, int]]) -> dict[str, Row]:
    """Model, class, scored and failed calls of one day; what comparing its month says by model."""
    connection.execute(MIX, [list(column) for column in zip(*rows, strict=True)])
    found = read(connection, "select * from marts.compare_models(%s, %s)", *DECEMBER)
    return {row["model"]: row for row in found}


def test_a_model_that_got_the_harder_calls_is_not_called_worse(reader: Connection) -> None:
    """Each fails a tenth of its questions and half of its code; one of them mostly gets code."""
    found = given_mix(
        reader,
        [
            ("a", "code", 900, 450),
            ("a", "question", 100, 10),
            ("b", "code", 100, 50),
            ("b", "question", 900, 90),
        ],
    )
    assert (found["a"]["verdict"], found["b"]["verdict"]) == ("worse", "better")
    for row in found.values():
        assert row["standardised_verdict"] == "no difference shown"
        assert row["standardised"] == row["rest_standardised"] == pytest.approx(0.3)
        assert row["mix_coverage"] == 1
        assert row["matched_verdict"] == "not enough data"


def test_models_without_a_common_kind_of_prompt_are_not_compared_on_a_mix(reader: Connection) -> None:
    found = given_mix(reader, [("a", "code", 500, 250), ("b", "question", 500, 50)])
    for row in found.values():
        assert (row["mix_coverage"], row["standardised"], row["standardised_difference"]) == (0, None, None)
        assert row["standardised_verdict"] == "not enough data"


def test_a_call_that_stands_for_a_thousand_is_not_enough(reader: Connection) -> None:
    """Forty questions would do, but the one piece of code decides the standardised rate."""
    found = given_mix(reader, [("a", "code", 1, 0), ("a", "question", 40, 4), ("b", "code", 2000, 1000)])
    assert found["a"]["n_effective"] == pytest.approx(1)
    assert found["a"]["standardised_verdict"] == "not enough data"
    assert found["a"]["standardised_low"] == 0
    assert found["a"]["standardised_high"] > 0.79


def test_groups_of_one_call_and_of_none_scored_say_not_enough(reader: Connection) -> None:
    found = given_mix(reader, [("one", "code", 1, 1), ("none", "code", 0, 0), ("many", "code", 500, 5)])
    assert found.keys() == {"one", "many"}, "a model without a score is nowhere compared"
    assert {row["verdict"] for row in found.values()} == {"not enough data"}
    assert found["one"]["estimate_low"] == pytest.approx(wilson(1, 1)[0])


def test_a_renamed_model_is_another_and_a_day_of_one_model_compares_nothing(reader: Connection) -> None:
    alone = given_mix(reader, [("gpt-5-mini", "code", 400, 40)])["gpt-5-mini"]
    assert (alone["n_rest_scored"], alone["rest_estimate"], alone["difference"]) == (0, None, None)
    assert alone["verdict"] == alone["standardised_verdict"] == "not enough data"
    found = given_mix(reader, [("gpt-5-mini-2", "code", 400, 40)])
    assert sum(row["n_scored"] for row in found.values()) == 800
    assert {row["verdict"] for row in found.values()} == {"no difference shown"}


PAIRS = """
insert into marts.model_pairs_daily (
    day, evaluator, evaluator_version, project, model, other_model, n_prompts, sum_difference, sum_squared
)
values ('2026-12-01', %s, '1', 'p', 'a', 'b', %s, %s, %s)
"""


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (("rules", 29, 29.0, 29.0), "not enough data"),
        # All thirty agree: no variance to be seen, and still an interval.
        (("rules", 30, 30.0, 30.0), "worse"),
        (("rules", 30, -30.0, 30.0), "better"),
        (("rules", 200, 0.0, 0.0), "no difference shown"),
        (("tone", 100, 40.0, 60.0), "better"),
        (("tone", 100, -40.0, 60.0), "worse"),
        # Grades that differ by the same each time say nothing of how sure that is.
        (("tone", 100, 100.0, 100.0), "not enough data"),
    ],
)
def test_matched_prompts_give_a_verdict(
    reader: Connection, given: tuple[str, int, float, float], verdict: str
) -> None:
    """Evaluator, prompts, sum of differences, sum of their squares."""
    reader.execute(PAIRS, given)
    (row,) = read(reader, "select * from marts.compare_pairs(%s, %s)", *DECEMBER)
    assert row["verdict"] == verdict
    of_view = read(reader, "select verdict from marts.model_pairs where day = %s", DECEMBER[0])
    assert of_view == [{"verdict": verdict}]


def test_ten_years_and_no_days_at_all_are_answered(reader: Connection) -> None:
    decade = (date(2016, 1, 1), date(2026, 12, 31))
    for function in ("compare_models", "compare_pairs", "latency_percentiles", "quality_profile_between"):
        query: Any = f"select count(*) as n from marts.{function}(%s, %s)"
        three_days, ten_years, backwards, empty = (
            read(reader, query, *span)[0]["n"]
            for span in (ALL_DAYS, decade, decade[::-1], (date(2030, 1, 1), date(2030, 1, 2)))
        )
        assert three_days == ten_years > 0, function
        assert backwards == empty == 0, function


def test_a_second_run_changes_nothing_and_a_light_refresh_leaves_days_alone(
    reader: Connection, analysed: DatabaseUrl, dbt: Dbt
) -> None:
    tables = (
        "quality_daily",
        "quality_by_user",
        "quality_by_prompt",
        "traffic_mix",
        "judge_mix_daily",
        "model_pairs_daily",
        "model_comparison",
    )
    before = {table: written(reader, table) for table in tables}
    outcome = dbt.build(analysed, windows=hours(LAST_DAY, 3, 4))
    assert outcome.nodes.keys() & set(tables) == {"model_comparison"}
    assert {table: written(reader, table) for table in tables} == before
    dbt("run", "--select", *tables, url=analysed, windows=days(MIDDLE_DAY))
    assert {table: written(reader, table) for table in tables} == before


def written(connection: Connection, table: str) -> list[Row]:
    return records(connection, f"select xmin::text, mart::text from marts.{table} as mart order by 2")


def test_one_day_of_pairs_reads_that_day(reader: Connection) -> None:
    reader.execute("set local enable_seqscan = off")
    query = f"explain (format json) select * from marts.model_pairs where day = '{LAST_DAY}'"
    (plan,) = reader.execute(query.encode()).fetchone() or ([],)
    waiting, conditions = [plan[0]["Plan"]], list[str]()
    while waiting:
        node = waiting.pop()
        waiting.extend(node.get("Plans", []))
        if "Relation Name" in node:
            conditions.append(node.get("Index Cond", node.get("Recheck Cond", "")))
    assert len(conditions) == 1
    assert "day" in conditions[0]
