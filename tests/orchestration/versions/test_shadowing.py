"""A shadow run scores chosen days under the draft, and nothing else moves."""

from datetime import timedelta

import polars as pl
import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.rules.rule_sets import version_text
from orchestration.rules.scoring import score_window
from orchestration.versions.bridging import bridge_versions
from orchestration.versions.registry import Version, VersionError, find_version, register_version
from orchestration.versions.shadow_runs import shadow_days
from orchestration.versions.shadowing import Shadowed, shadow_rule
from tests.orchestration.rules.fake_rules import Steered, rule
from tests.orchestration.seeding import DAY, DAY_START, add_calls, count, rows
from tests.orchestration.versions.scoring import version

Connection = psycopg.Connection[TupleRow]
TODAY = DAY_START.date()
NEXT = TODAY + timedelta(days=1)
EVEN = pl.col("output_text").str.extract(r"question (\d+)").cast(pl.Int32) % 2 == 0
DRAFT = rule("refusal", Steered(fails=EVEN), version="2.0.0")


@pytest.fixture
def draft(connection: Connection) -> Version:
    """60 calls a day on two days, judged by the first version; a draft of the second."""
    with connection.transaction():
        add_calls(connection, 60)
        add_calls(connection, 60, seed="next", start=DAY.end)
        add_calls(connection, 5, seed="judge", purpose="judge", start=DAY_START + timedelta(hours=2))
    score_window(connection, [DAY], rules=[rule("refusal", Steered())])
    with connection.transaction():
        connection.execute("delete from raw.dirty_hours")
    return register_version(connection, evaluator="refusal", version=version_text(DRAFT), kind="rule")


def run(connection: Connection, draft: Version) -> Shadowed:
    return shadow_rule(connection, draft, DRAFT, first_day=TODAY, last_day=TODAY, chunk_rows=25)


def test_a_draft_judges_the_product_calls_of_its_days_once(connection: Connection, draft: Version) -> None:
    assert run(connection, draft) == Shadowed(60, 0)
    assert run(connection, draft) == Shadowed(0, 0)

    found = rows(
        connection,
        "select value, label, explanation, count(*) from evaluation.judgements group by 1, 2, 3 order by 1",
    )
    assert found == [(0, "fail", "seen", 30), (1, "pass", None, 30)]
    days = rows(connection, "select day, n_scored, n_unscored from evaluation.shadow_days")
    assert days == [(TODAY, 60, 0)]
    assert find_version(connection, str(draft)).status == "shadow"


def test_no_current_line_moves(connection: Connection, draft: Version) -> None:
    results = rows(connection, "select * from evaluation.rule_results order by 1, 2")
    current = rows(connection, "select * from evaluation.version_periods")

    run(connection, draft)

    assert rows(connection, "select * from evaluation.rule_results order by 1, 2") == results
    assert rows(connection, "select * from evaluation.version_periods") == current
    assert count(connection, "raw.dirty_hours") == 0


def test_what_was_killed_half_way_is_finished_not_begun_anew(connection: Connection, draft: Version) -> None:
    seen = Steered(fails=EVEN)
    with connection.transaction():
        connection.execute(
            "insert into evaluation.judgements"
            " (started_at, call_id, evaluator_version_id, value, judge_model)"
            " select started_at, call_id, %s, 1, 'rule' from raw.llm_calls where purpose = 'product'"
            " order by started_at limit 20",
            (draft.id,),
        )
    steered = rule("refusal", seen, version="2.0.0")
    assert shadow_rule(connection, draft, steered, first_day=TODAY, last_day=TODAY) == Shadowed(40, 0)
    assert len(seen.seen) == 40


def test_what_the_draft_cannot_judge_is_unscored_with_a_reason(
    connection: Connection, draft: Version
) -> None:
    shy = rule("refusal", Steered(unscored="not_evaluable"), version="2.0.0")
    assert shadow_rule(connection, draft, shy, first_day=TODAY, last_day=NEXT) == Shadowed(0, 120)
    found = rows(connection, "select distinct value, label, unscored_reason from evaluation.judgements")
    assert found == [(None, None, "not_evaluable")]


def test_a_shadow_is_bridged_with_the_version_in_force(connection: Connection, draft: Version) -> None:
    run(connection, draft)
    before = next(each for each in (find_version(connection, "refusal@1.0.0"),))

    report = bridge_versions(connection, before=before, after=draft)

    assert (report.n_shared, report.n_only_to, report.bridge.flips) == (60, 0, (("pass", "fail", 30),))


def test_a_promoted_rule_says_a_thing_once(connection: Connection, draft: Version) -> None:
    """Its shadow verdicts stand beside those of the rule set that it is in now."""
    run(connection, draft)
    shown = "select count(*) from evaluation.scores where evaluator_version like '2.0.0%'"
    assert rows(connection, shown) == [(60,)]

    score_window(connection, [DAY], rules=[DRAFT])

    assert rows(connection, shown) == [(60,)]
    assert count(connection, "evaluation.judgements") == 60


def test_what_is_current_is_no_shadow(connection: Connection, draft: Version) -> None:
    with pytest.raises(VersionError, match="only drafts are shadow-scored"):
        shadow_days(connection, find_version(connection, "refusal@1"), first_day=TODAY, last_day=TODAY)


def test_recorded_scores_cannot_be_made_here(connection: Connection) -> None:
    version(connection, "a", kind="external", evaluator="elsewhere")
    second = version(connection, "b", kind="external", evaluator="elsewhere")
    with pytest.raises(VersionError, match="its scores are imported"):
        shadow_days(connection, second, first_day=TODAY, last_day=TODAY)


def test_a_rule_of_another_name_is_refused(connection: Connection, draft: Version) -> None:
    with pytest.raises(VersionError, match="the rule slow is no version of refusal"):
        shadow_rule(connection, draft, rule("slow", Steered()), first_day=TODAY, last_day=TODAY)
