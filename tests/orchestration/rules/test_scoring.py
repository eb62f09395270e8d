"""Rule results over windows: added once, carried over, tried again, whole after every kill."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.rules.base import Rule
from evaluators.rules.catalogue import RULES
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.rules import scoring_queries as queries
from orchestration.rules.scoring import NO_CALL, score_window
from orchestration.transactions import writing
from orchestration.windows import Window, day_window, hour_window
from tests.orchestration.rules.fake_rules import Steered, rule
from tests.orchestration.seeding import DAY, DAY_START, add_calls, count, plan_nodes, rows

Connection = psycopg.Connection[TupleRow]
REPOSITORY = Path(__file__).resolve().parents[3]


class Nosy(Steered):
    """Keeps the frames that it is given."""

    __module__ = "evaluators.rules.error"

    def __init__(self, frames: list[pl.DataFrame]) -> None:
        super().__init__()
        self.frames = frames

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        self.frames.append(frame)
        return super().__call__(frame)


RESULTS = """
select started_at, call_id, failed, unscored, evidence, attempts from evaluation.rule_results order by 1, 2
"""


def seed(connection: Connection, n: int, **changes: object) -> None:
    with connection.transaction():
        add_calls(connection, n, **changes)  # type: ignore[arg-type]


def test_every_call_gets_one_result_with_the_verdicts_of_all_rules(connection: Connection) -> None:
    seed(connection, 3)
    seed(connection, 2, seed="b", start=DAY_START + timedelta(hours=2), output="")

    result = score_window(connection, [DAY])

    assert (result.n_rows, result.n_scored, result.n_carried) == (5, 5, 0)
    assert [hour.hour for hour in sorted(result.hours)] == [0, 2]
    failed = rows(connection, "select failed from evaluation.rule_results order by started_at")
    assert [names for (names,) in failed] == [[], [], [], ["empty_answer"], ["empty_answer"]]
    scores = rows(connection, "select evaluator, count(*) from evaluation.scores group by 1 order by 1")
    assert scores == [(name, 5) for name in sorted(each.name for each in RULES)]


def test_a_second_run_changes_nothing(connection: Connection) -> None:
    seed(connection, 50)
    score_window(connection, [DAY])
    before = rows(connection, "select * from evaluation.rule_results order by 1, 2")
    marks = rows(connection, "select * from raw.dirty_hours order by version")

    again = score_window(connection, [DAY])

    assert again.n_rows == 0
    assert rows(connection, "select * from evaluation.rule_results order by 1, 2") == before
    assert rows(connection, "select * from raw.dirty_hours order by version") == marks


def test_only_new_calls_of_the_window_are_scored(connection: Connection) -> None:
    check = Steered()
    seed(connection, 10)
    score_window(connection, [DAY], rules=[rule("steered", check)])
    check.seen.clear()
    seed(connection, 2, seed="later", start=DAY_START + timedelta(seconds=5))
    seed(connection, 4, seed="tomorrow", start=DAY.end)

    result = score_window(connection, [DAY], rules=[rule("steered", check)])

    assert result.n_rows == 2
    assert len(check.seen) == 2


def test_chunks_and_several_windows_cover_each_call_once(connection: Connection) -> None:
    check = Steered()
    seed(connection, 100, spacing=timedelta(minutes=10))
    windows = [hour_window(DAY_START), Window(DAY_START, DAY_START + timedelta(hours=3)), DAY]

    result = score_window(connection, windows, rules=[rule("steered", check)], chunk_rows=7)

    assert result.n_rows == 100
    assert len(check.seen) == len(set(check.seen)) == 100


def test_judge_and_replay_calls_are_not_scored(connection: Connection) -> None:
    for purpose in ("product", "judge", "replay", "demo"):
        seed(connection, 3, seed=purpose, purpose=purpose)

    assert score_window(connection, [DAY]).n_rows == 6


def test_only_the_changed_rule_runs_and_the_other_verdicts_carry_over(connection: Connection) -> None:
    steady, old, new = Steered(fails=pl.lit(value=True)), Steered(), Steered(fails=pl.lit(value=True))
    seed(connection, 10)
    first = score_window(connection, [DAY], rules=[rule("steady", steady), rule("changing", old)])
    steady.seen.clear()
    seed(connection, 3, seed="later")
    changed = [rule("steady", steady), rule("changing", new, version="1.1.0")]

    second = score_window(connection, [DAY], rules=changed)

    assert (second.n_scored, second.n_carried) == (3, 10)
    assert len(steady.seen) == 3
    assert len(new.seen) == 13
    assert second.rule_set_version != first.rule_set_version
    results = rows(connection, "select rule_set_version, failed, evidence from evaluation.rule_results")
    assert sum(version == first.rule_set_version for version, _, _ in results) == 10
    assert {(tuple(failed), *sorted(evidence)) for version, failed, evidence in results if version != 1} == {
        (("changing", "steady"), "changing", "steady")
    }


def test_a_verdict_that_several_rule_sets_hold_is_one_score(connection: Connection) -> None:
    steady, old, new = Steered(fails=pl.lit(value=True)), Steered(), Steered(fails=pl.lit(value=True))
    seed(connection, 2, status="interrupted")
    score_window(connection, [DAY], rules=[rule("steady", steady), rule("changing", old)])
    changed = [rule("steady", steady), rule("changing", new, version="2.0.0")]
    score_window(connection, [DAY], rules=changed)
    with connection.transaction():
        connection.execute("update raw.llm_calls set status = 'ok'")
    steady.fails = pl.lit(value=False)
    score_window(connection, [DAY], rules=changed)

    scores = rows(
        connection,
        "select evaluator, left(evaluator_version, 5), value::int, count(*) from evaluation.scores"
        " group by 1, 2, 3 order by 1, 2, 3",
    )

    assert count(connection, "evaluation.rule_results") == 4
    # The shared verdict is the one that was made last; both versions of the other rule keep theirs.
    assert scores == [("changing", "1.0.0", 1, 2), ("changing", "2.0.0", 0, 2), ("steady", "1.0.0", 1, 2)]


def test_a_rule_taken_out_runs_nothing_and_its_verdicts_do_not_carry(connection: Connection) -> None:
    kept, dropped = Steered(fails=pl.lit(value=True)), Steered(fails=pl.lit(value=True))
    seed(connection, 4)
    score_window(connection, [DAY], rules=[rule("kept", kept), rule("dropped", dropped)])

    second = score_window(connection, [DAY], rules=[rule("kept", kept)])

    assert (second.n_scored, second.n_carried, len(kept.seen)) == (0, 4, 4)
    newest = rows(
        connection, "select distinct failed from evaluation.rule_results where rule_set_version = 2"
    )
    assert newest == [(["kept"],)]


def test_carried_verdicts_keep_reasons_and_evidence_and_lose_those_of_the_changed_rule(
    connection: Connection,
) -> None:
    everything = pl.lit(value=True)
    kept = [rule("a_kept", Steered(fails=everything)), rule("z_skipped", Steered(unscored="not_applicable"))]
    seed(connection, 3)
    seed(connection, 3, seed="b", start=DAY_START + timedelta(hours=1))
    is_first = pl.col("started_at") < DAY_START + timedelta(minutes=30)
    old, new = Steered(fails=is_first), Steered(fails=~is_first)
    score_window(connection, [DAY], rules=[*kept, rule("changing", old), rule("gone", Steered(everything))])

    carried = score_window(connection, [DAY], rules=[*kept, rule("changing", new, version="2.0.0")])
    anew = [
        rule(each.name, each.check, version="9.0.0")  # type: ignore[arg-type]
        for each in (*kept, rule("changing", new))
    ]
    whole = score_window(connection, [DAY], rules=anew)

    assert (carried.n_scored, carried.n_carried, whole.n_scored) == (0, 6, 6)
    query = (
        "select started_at, call_id, failed, unscored, evidence, is_retriable, is_provisional"
        " from evaluation.rule_results where rule_set_version = %s order by 1, 2"
    )
    with connection.transaction():
        sets = [connection.execute(query, (each.rule_set_version,)).fetchall() for each in (carried, whole)]
    assert sets[0] == sets[1]
    assert [row[2] for row in sets[0]] == [["a_kept"]] * 3 + [["a_kept", "changing"]] * 3
    assert {tuple(row[3].items()) for row in sets[0]} == {(("z_skipped", "not_applicable"),)}


def test_a_call_is_carried_from_its_newest_final_result(connection: Connection) -> None:
    steady, other, new = Steered(fails=pl.lit(value=True)), Steered(fails=pl.lit(value=True)), Steered()
    changed = rule("other", other, version="2.0.0")
    seed(connection, 2)
    score_window(connection, [DAY], rules=[rule("steady", steady), rule("other", Steered())])
    score_window(connection, [DAY], rules=[rule("steady", steady), changed])
    other.seen.clear()
    steady.seen.clear()

    third = score_window(connection, [DAY], rules=[rule("steady", steady), changed, rule("new", new)])

    assert (third.n_scored, third.n_carried, len(new.seen)) == (0, 2, 2)
    assert steady.seen == other.seen == []
    newest = rows(
        connection, "select distinct failed from evaluation.rule_results where rule_set_version = 3"
    )
    assert newest == [(["other", "steady"],)]


def test_a_provisional_result_does_not_carry_over(connection: Connection) -> None:
    steady = Steered(fails=pl.lit(value=True))
    seed(connection, 2, status="interrupted")
    seed(connection, 3, seed="whole")
    score_window(connection, [DAY], rules=[rule("steady", steady), rule("other", Steered())])
    steady.seen.clear()

    second = score_window(
        connection, [DAY], rules=[rule("steady", steady), rule("other", Steered(), version="2.0.0")]
    )

    assert (second.n_scored, second.n_carried, len(steady.seen)) == (2, 3, 2)


def test_only_what_the_changed_rule_requires_is_read(connection: Connection) -> None:
    seed(connection, 2)
    first = [rule("steady", Steered()), rule("other", Steered())]
    score_window(connection, [DAY], rules=first)
    seen: list[pl.DataFrame] = []
    nosy = Rule("other", "2.0.0", "info", "", ("latency_ms", "requested_model"), Nosy(seen))

    score_window(connection, [DAY], rules=[first[0], nosy])

    (frame,) = seen
    assert frame["latency_ms"].null_count() == 0
    assert frame["requested_model"].to_list() == ["gpt-4o-mini"] * 2
    assert frame["output_text"].null_count() == frame["request"].null_count() == 2


def test_every_shipped_rule_says_the_same_of_what_it_requires_alone(connection: Connection) -> None:
    seed(connection, 5, output='{"a": 1}')
    seed(connection, 5, seed="b", output="I'm sorry, but I can't help with that.\n" * 40)
    seed(connection, 5, seed="c", output="", status="error")
    query = "select failed, unscored from evaluation.rule_results order by started_at, call_id"
    score_window(connection, [DAY], rules=RULES)
    whole = rows(connection, query)

    for each in RULES:
        with connection.transaction():
            connection.execute("truncate evaluation.rule_results")
        score_window(connection, [DAY], rules=[each])
        alone = rows(connection, query)
        assert [(each.name in failed, reasons.get(each.name)) for failed, reasons in alone] == [
            (each.name in failed, reasons.get(each.name)) for failed, reasons in whole
        ], each.name


def test_a_new_rule_set_ends_the_previous_one_and_an_old_one_may_come_back(connection: Connection) -> None:
    sets = "select id, current_to is null from evaluation.rule_sets order by id"
    versions = "select evaluator, status, current_to is null from evaluation.evaluator_versions order by id"
    one, other = rule("one", Steered()), rule("one", Steered(), version="2.0.0")

    for rules, expected in (([one], [True]), ([other], [False, True]), ([one], [True, False])):
        score_window(connection, [DAY], rules=rules)
        assert [is_current for _, is_current in rows(connection, sets)] == expected

    assert rows(connection, versions) == [("one", "active", True), ("one", "retired", False)]


def test_a_rule_that_raises_leaves_its_own_verdict_unscored_and_no_other(connection: Connection) -> None:
    seed(connection, 5, output="")
    broken = rule("broken", Steered(raises=lambda frame: True))

    result = score_window(connection, [DAY], rules=[*RULES, broken])

    assert result.n_rows == 5
    for failed, unscored, evidence in rows(
        connection, "select failed, unscored, evidence from evaluation.rule_results"
    ):
        assert failed == ["empty_answer"]
        assert unscored["broken"] == "error"
        assert evidence["broken"] == "ValueError: the rule broke"


def test_one_call_that_breaks_a_rule_costs_only_its_own_verdict(connection: Connection) -> None:
    seed(connection, 500)
    is_bad = pl.col("output_text").str.contains("question 321 ")
    check = Steered(raises=lambda frame: not frame.filter(is_bad).is_empty())

    score_window(connection, [DAY], rules=[rule("picky", check)])

    unscored = rows(connection, "select unscored from evaluation.rule_results where unscored <> '{}'")
    assert unscored == [({"picky": "error"},)]
    assert count(connection, "evaluation.rule_results") == 500


def test_a_rule_failing_half_the_time_and_retried_ends_right(connection: Connection) -> None:
    seed(connection, 100)
    is_odd = pl.col("output_text").str.contains(r"question \d*[13579] ")
    check = Steered(fails=is_odd, raises=lambda frame: not frame.filter(is_odd).is_empty())
    flaky = [rule("flaky", check)]

    score_window(connection, [DAY], rules=flaky, chunk_rows=20)
    unscored = count(connection, "evaluation.rule_results", where="unscored ? 'flaky'")
    check.raises = lambda frame: False
    retried = score_window(connection, [DAY], rules=flaky, chunk_rows=20)

    assert unscored == retried.n_rows == 50
    verdicts = (
        "select failed, unscored, attempts, count(*) from evaluation.rule_results group by 1, 2, 3 order by 3"
    )
    assert rows(connection, verdicts) == [([], {}, 1, 50), (["flaky"], {}, 2, 50)]


def test_tries_end_after_three_and_the_reason_stays(connection: Connection) -> None:
    seed(connection, 4)
    check = Steered(unscored="skipped_budget")

    tries = [score_window(connection, [DAY], rules=[rule("costly", check)]).n_rows for _ in range(5)]

    assert tries == [4, 4, 4, 0, 0]
    results = rows(
        connection, "select distinct unscored, attempts, is_retriable from evaluation.rule_results"
    )
    assert results == [({"costly": "skipped_budget"}, 3, False)]


def test_a_reason_that_is_final_is_not_tried_again(connection: Connection) -> None:
    seed(connection, 4)
    final = [rule("final", Steered(unscored="not_applicable"))]

    assert [score_window(connection, [DAY], rules=final).n_rows for _ in range(2)] == [4, 0]


def test_a_call_whose_end_came_later_is_scored_again(connection: Connection) -> None:
    seed(connection, 3, status="interrupted")
    score_window(connection, [DAY])
    still_open = score_window(connection, [DAY])
    # A landing that began before the scoring and committed after it: no clock tells.
    with connection.transaction():
        connection.execute(
            "update raw.llm_calls set status = 'ok', landed_at = landed_at - interval '1 hour'"
        )

    after = score_window(connection, [DAY])

    assert (still_open.n_rows, after.n_rows, score_window(connection, [DAY]).n_rows) == (0, 3, 0)
    assert rows(connection, "select distinct failed, attempts from evaluation.rule_results") == [([], 1)]


def test_results_and_marks_are_of_one_transaction(connection: Connection) -> None:
    seed(connection, 40, spacing=timedelta(minutes=30))

    score_window(connection, [DAY], chunk_rows=10)

    pairs = rows(
        connection,
        "select distinct results.xmin::text = dirty.xmin::text from evaluation.rule_results as results"
        " inner join raw.dirty_hours as dirty on dirty.stage = 'scores'"
        " and dirty.hour = date_trunc('hour', results.started_at, 'UTC')",
    )
    assert pairs == [(True,)]


CHILD = """
import signal, sys
from ingest.database.connect import connect
from ingest.database.url import parse_url
from orchestration.rules.scoring import score_window
from tests.orchestration.rules.fake_rules import Steered, rule
from tests.orchestration.seeding import DAY

def stop_in_the_third_chunk(frame):
    chunks.append(frame.height)
    if len(chunks) == 3:
        print("reached", flush=True)
        signal.pause()
    return False

chunks = []
with connect(parse_url(sys.argv[1])) as connection:
    steered = rule("steered", Steered(raises=stop_in_the_third_chunk))
    score_window(connection, [DAY], rules=[steered], chunk_rows=50)
"""


def test_a_killed_run_keeps_its_chunks_and_the_next_does_only_the_rest(
    connection: Connection, warehouse: DatabaseUrl
) -> None:
    seed(connection, 300)
    command = [sys.executable, "-c", CHILD, warehouse.libpq()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as child:
        assert child.stdout
        assert child.stdout.readline() == "reached\n"
        child.send_signal(signal.SIGKILL)
    kept = rows(connection, RESULTS)
    check = Steered()

    result = score_window(connection, [DAY], rules=[rule("steered", check)])

    assert len(kept) == 100
    assert result.n_rows == len(check.seen) == 200
    assert set(map(str, kept)) < set(map(str, rows(connection, RESULTS)))


def test_two_runs_at_once_make_one_set(connection: Connection, warehouse: DatabaseUrl) -> None:
    seed(connection, 600)
    written: list[int] = []
    together = threading.Barrier(2)

    def run() -> None:
        with connect(warehouse) as own:
            together.wait(30)
            written.append(score_window(own, [DAY], chunk_rows=40).n_rows)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sum(written) == count(connection, "evaluation.rule_results") == 600
    assert count(connection, "evaluation.rule_sets") == 1


def test_scoring_refuses_an_open_transaction(connection: Connection) -> None:
    connection.execute("select 1")

    with pytest.raises(RuntimeError, match="outside an open transaction"), writing(connection, relation="x"):
        pass


@pytest.fixture
def month_of_calls(connection: Connection) -> Callable[[str], list[dict[str, object]]]:
    """Plans of a query for one hour of a full month between two others."""
    for month in (9, 10, 11):
        start = DAY_START.replace(month=month, day=1)
        seed(connection, 4_000, start=start, spacing=timedelta(minutes=10), seed=str(month))
        score_window(connection, [Window(start, start + timedelta(days=28))], rules=[rule("any", Steered())])
    with connection.transaction():
        connection.execute("analyze raw.llm_calls, raw.llm_bodies, evaluation.rule_results")
    window = hour_window(DAY_START)
    params = {"start": window.start, "end": window.end, "after": NO_CALL, "rule_set": 1}
    params |= {"previous": 2, "limit": 20_000}
    return lambda query: plan_nodes(connection, query, params)


@pytest.mark.parametrize(
    ("query", "tables"),
    [
        (queries.new_calls(queries.EVERY_COLUMN), {"llm_calls", "llm_bodies", "rule_results"}),
        (queries.unsettled_calls(queries.EVERY_COLUMN), {"llm_calls", "llm_bodies", "rule_results"}),
        (queries.carried_calls(queries.EVERY_COLUMN), {"llm_calls", "llm_bodies", "rule_results"}),
        (queries.carried_calls(("endpoint", "status")), {"llm_calls", "rule_results"}),
        (queries.PREVIOUS_SETS, {"rule_results"}),
    ],
    ids=["new", "unsettled", "carried", "carried without bodies", "previous sets"],
)
def test_no_plan_leaves_the_months_of_the_window_or_scans_them(
    month_of_calls: Callable[[str], list[dict[str, object]]], query: str, tables: set[str]
) -> None:
    nodes = month_of_calls(query)

    relations = {str(node["Relation Name"]) for node in nodes if "Relation Name" in node}
    assert relations == {f"{table}_y2026m10" for table in tables}, json.dumps(nodes)
    assert "Seq Scan" not in {node["Node Type"] for node in nodes}


def test_the_scores_of_an_hour_read_no_other_month(
    connection: Connection, month_of_calls: Callable[[str], list[dict[str, object]]]
) -> None:
    hour = hour_window(DAY_START)
    explain = (
        "explain (analyze, costs off, timing off, format json) select count(*) from evaluation.scores"
        f" where started_at >= '{hour.start}' and started_at < '{hour.end}'"
    )
    with connection.transaction():
        row = connection.execute(explain.encode()).fetchone()
    assert row
    waiting, read = [row[0][0]["Plan"]], {}
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        if node["Actual Loops"] and "Relation Name" in node:
            read[node["Relation Name"]] = node["Node Type"]
    of_results = {name: kind for name, kind in read.items() if name.startswith("rule_results")}
    assert of_results.keys() == {"rule_results_y2026m10"}
    assert "Seq Scan" not in of_results.values()


def test_a_day_is_scored_as_its_hours_are(connection: Connection) -> None:
    seed(connection, 90, spacing=timedelta(minutes=15), output="")
    score_window(connection, [day_window(DAY_START.date())])
    whole = rows(connection, RESULTS)
    with connection.transaction():
        connection.execute("truncate evaluation.rule_results")

    for hour in range(24):
        score_window(connection, [hour_window(DAY_START + timedelta(hours=hour))])

    assert rows(connection, RESULTS) == whole
