"""`lqo eval run` as a release gate: real processes, a real endpoint, a real Postgres."""

import json
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.judge_endpoint import Reply, error, judge_endpoint_in_thread
from tests.orchestration.comparison.playing import (
    JUDGE,
    Lqo,
    Stage,
    asked_of,
    questions,
    staged,
    write_rows,
)
from tests.orchestration.test_cli import lqo as any_verb

SIDES = ("--model", "new", "--baseline", "old")


def graded(better: str, *, by: float = 1) -> Stage:
    """The model whose name the answer begins with gets 5, any other `5 - by`."""
    return Stage(grade=lambda shown: 5 if shown["the answer to grade"].startswith(better) else 5 - by)


@pytest.mark.parametrize(("better", "code", "outcome"), [("new", 0, "passed"), ("old", 1, "failed")])
def test_a_worse_model_fails_the_gate_and_a_better_one_passes(
    better: str, code: int, outcome: str, lqo: Lqo, tmp_path: Path
) -> None:
    with judge_endpoint_in_thread(staged(graded(better))) as endpoint:
        done = lqo.process(
            questions(tmp_path / "q.jsonl", 25), *SIDES, "--fail-if", "overall<-0.1", endpoint=endpoint
        )
    assert (done.code, done.err) == (code, "")
    assert done.summary["outcome"] == outcome
    assert done.summary["measures"]["overall"]["value"] == (1 if better == "new" else -1)
    assert done.summary["measures"]["overall"]["n_prompts"] == 25
    assert done.summary["candidate"] == {
        "name": "new",
        "answers": {"asked": 25},
        "tokens": pytest.approx(225, abs=60),
    }
    (judge,) = done.summary["judges"]
    assert (judge["evaluator"], judge["calibration"]) == ("overall", "uncalibrated")
    assert judge["version"].startswith("1.0.0+")


def test_what_is_asked_is_asked_once_and_lands_with_its_purpose(
    lqo: Lqo, tmp_path: Path, connection: psycopg.Connection[TupleRow]
) -> None:
    data = questions(tmp_path / "q.jsonl", 12)
    with judge_endpoint_in_thread(staged(graded("new"))) as endpoint:
        first = lqo.process(data, *SIDES, "--pairwise", endpoint=endpoint)
        paid = endpoint.requests
        again = lqo.process(data, *SIDES, "--pairwise", endpoint=endpoint)
        other_gate = lqo.run(data, *SIDES, "--fail-if", "overall<0", "--min-prompts", "5", endpoint=endpoint)
        assert endpoint.requests == paid == 12 * 2 + 12 * 2 + 12 * 2
    assert again.summary["measures"] == first.summary["measures"]
    assert again.summary["candidate"]["answers"] == {"reused": 12}
    assert (again.summary["judge_calls"], again.summary["judge_reused"]) == (0, 48)
    assert other_gate.summary["outcome"] == "passed"
    purposes = connection.execute(
        "select purpose, count(*), count(usage), count(distinct call_id)"
        " from raw.llm_calls group by 1 order by 1"
    ).fetchall()
    assert purposes == [("judge", 48, 48, 48), ("replay", 24, 24, 24)]
    tags = connection.execute("select tags from raw.llm_calls where purpose = 'replay' limit 1").fetchone()
    assert tags
    assert {"lqo.eval_run", "lqo.eval_item", "lqo.eval_side"} <= tags[0].keys()


def test_fresh_and_another_run_name_ask_again(lqo: Lqo, tmp_path: Path) -> None:
    data = questions(tmp_path / "q.jsonl", 4)
    with judge_endpoint_in_thread(staged(graded("new"))) as endpoint:
        for more, asked in (((), 4), (("--fresh",), 8), (("--run", "abc"), 12), (("--run", "abc"), 12)):
            assert lqo.run(data, "--model", "new", *more, endpoint=endpoint).code == 0
            assert len(asked_of(endpoint, "new")) == asked, more


def test_other_parameters_are_another_request(lqo: Lqo, tmp_path: Path) -> None:
    data = questions(tmp_path / "q.jsonl", 2)
    with judge_endpoint_in_thread(staged(graded("new"))) as endpoint:
        lqo.run(data, "--model", "new", endpoint=endpoint)
        lqo.run(data, "--model", "new", "--temperature", "0", "--max-tokens", "99", endpoint=endpoint)
    bodies = [each.body for each in endpoint.ledger if each.body["model"] == "new"]
    assert [(body.get("temperature"), body.get("max_tokens")) for body in bodies] == [
        *((None, None), (None, None), (0, 99), (0, 99))
    ]


def test_requests_stay_within_the_concurrency(lqo: Lqo, tmp_path: Path) -> None:
    with judge_endpoint_in_thread(staged(graded("new"), latency_s=0.05)) as endpoint:
        lqo.run(questions(tmp_path / "q.jsonl", 30), *SIDES, "--concurrency", "4", endpoint=endpoint)
    assert endpoint.most_in_flight == 4


def test_recorded_answers_are_judged_without_any_model(lqo: Lqo, tmp_path: Path) -> None:
    data = questions(tmp_path / "q.jsonl", 21, answer="old said this")
    answers = write_rows(
        tmp_path / "a.jsonl", [{"id": f"q{at}", "answer": "new said that"} for at in range(20)]
    )
    with judge_endpoint_in_thread(staged(graded("new", by=2))) as endpoint:
        done = lqo.run(
            data, "--answers", answers, "--baseline-recorded", "--fail-if", "overall.low<0", endpoint=endpoint
        )
        assert {each.body["model"] for each in endpoint.ledger} == {JUDGE}
    assert done.code == 0
    assert done.summary["measures"]["overall"] == {
        "value": 2, "low": 2, "high": 2, "n": 20, "n_prompts": 20, "n_eligible": 21,
    }  # fmt: skip
    assert done.summary["unscored"] == {"candidate": {"overall": {"no_answer": 1}}}
    assert done.summary["candidate"]["answers"] == {"no_answer": 1, "recorded": 20}


def test_an_unparseable_verdict_is_unscored_and_never_a_low_grade(lqo: Lqo, tmp_path: Path) -> None:
    def grade(shown: dict[str, str]) -> object:
        is_odd = shown["conversation, turn 1, user"] in ("Question 3?", "Question 4?")
        return Reply(content="I would say 1 out of 5.") if is_odd else 4

    with judge_endpoint_in_thread(staged(Stage(grade=grade))) as endpoint:
        done = lqo.run(
            questions(tmp_path / "q.jsonl", 25), *SIDES, "--fail-if", "overall<0", endpoint=endpoint
        )
    assert done.code == 0
    assert done.summary["measures"]["overall"]["value"] == 0
    assert done.summary["measures"]["overall"]["n"] == 23
    assert done.summary["unscored"]["candidate"]["overall"] == {"parse_error": 2}


def test_a_gate_that_nothing_was_measured_for_is_no_pass(lqo: Lqo, tmp_path: Path) -> None:
    stage = Stage(grade=lambda shown: Reply(content="no idea"))
    with judge_endpoint_in_thread(staged(stage)) as endpoint:
        done = lqo.run(
            questions(tmp_path / "q.jsonl", 5), *SIDES, "--fail-if", "overall<-0.1", endpoint=endpoint
        )
    assert done.code == 2
    assert done.err == "lqo: the gate cannot be judged: overall was not measured (0 of 5 scored)\n"
    assert done.summary["outcome"] == "not_judged"


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        (10, (), "too few prompts: 10 measured, 20 are needed"),
        (10, ("--min-prompts", "10"), ""),
    ],
)
def test_too_few_items_fail(rows: int, options: tuple[str, ...], says: str, lqo: Lqo, tmp_path: Path) -> None:
    with judge_endpoint_in_thread(staged(graded("new"))) as endpoint:
        done = lqo.run(
            questions(tmp_path / "q.jsonl", rows),
            *SIDES,
            *options,
            "--fail-if",
            "overall<-0.1",
            endpoint=endpoint,
        )
    (check,) = done.summary["checks"]
    assert (done.code, check["has_failed"]) == ((1, True) if says else (0, False))
    assert says in check["reason"]


def test_one_prompt_asked_often_is_one_prompt(lqo: Lqo, tmp_path: Path) -> None:
    data = write_rows(
        tmp_path / "q.jsonl", [{"id": at, "prompt": "Same?", "reference": str(at)} for at in range(50)]
    )
    with judge_endpoint_in_thread(staged(graded("new"))) as endpoint:
        done = lqo.run(data, *SIDES, "--fail-if", "overall<-0.1", endpoint=endpoint)
    assert done.code == 1
    assert done.summary["n_prompts"] == 1


def test_a_model_that_fails_or_says_nothing_lowers_the_coverage(lqo: Lqo, tmp_path: Path) -> None:
    def new(said: str) -> str | Reply:
        number = int(said.removeprefix("Question ").rstrip("?"))
        return error(400) if number < 5 else "" if number < 10 else "new is good"

    with judge_endpoint_in_thread(staged(Stage(models={"new": new}))) as endpoint:
        done = lqo.run(
            questions(tmp_path / "q.jsonl", 40), *SIDES, "--fail-if", "overall<-0.1", endpoint=endpoint
        )
    assert done.code == 1
    assert "too low a coverage: 30 of 40 (75%) scored, 80% are needed" in done.summary["checks"][0]["reason"]
    assert done.summary["unscored"]["candidate"]["overall"] == {"empty_answer": 5, "error": 5}
    assert done.summary["candidate"]["answers"] == {"asked": 35, "error": 5}


def test_failed_answers_are_asked_again_and_kept_ones_are_not(lqo: Lqo, tmp_path: Path) -> None:
    is_down = True

    def new(said: str) -> str | Reply:
        return error(400) if is_down and said == "Question 1?" else "fine"

    data = questions(tmp_path / "q.jsonl", 3)
    with judge_endpoint_in_thread(staged(Stage(models={"new": new}))) as endpoint:
        lqo.run(data, "--model", "new", endpoint=endpoint)
        is_down = False
        done = lqo.run(data, "--model", "new", endpoint=endpoint)
    assert asked_of(endpoint, "new").count("Question 1?") == 2
    assert len(asked_of(endpoint, "new")) == 4
    assert done.summary["candidate"]["answers"] == {"asked": 1, "reused": 2}


def test_references_and_contexts_are_judged_where_they_are(lqo: Lqo, tmp_path: Path) -> None:
    rows = [{"id": f"q{at}", "prompt": f"Question {at}?"} for at in range(6)]
    rows[0]["context"] = "The context."
    rows[1]["reference"] = "The reference."
    with judge_endpoint_in_thread(staged(Stage())) as endpoint:
        done = lqo.run(
            write_rows(tmp_path / "q.jsonl", rows),
            *("--model", "new", "--rubric", "groundedness", "--rubric", "correctness"),
            endpoint=endpoint,
        )
    told = asked_of(endpoint, JUDGE)
    assert len(told) == 2
    assert "The context." in told[0]
    assert "The reference." in told[1]
    measures = done.summary["measures"]
    assert [measures[name]["n_eligible"] for name in ("groundedness.mean", "correctness.mean")] == [1, 1]
    assert done.summary["unscored"]["candidate"]["groundedness"] == {"not_applicable": 5}


def test_a_conversation_is_asked_turn_by_turn_and_graded_as_a_session(lqo: Lqo, tmp_path: Path) -> None:
    data = write_rows(
        tmp_path / "q.jsonl", [{"id": "s", "turns": ["One?", "Two?", "Three?"], "system": "Be."}]
    )
    with judge_endpoint_in_thread(staged(Stage())) as endpoint:
        done = lqo.run(data, "--model", "new", "--rubric", "session", endpoint=endpoint)
    asked = [each.body["messages"] for each in endpoint.ledger if each.body["model"] == "new"]
    assert [[turn["content"] for turn in messages] for messages in asked] == [
        ["Be.", "One?"],
        ["Be.", "One?", "new says One?", "Two?"],
        ["Be.", "One?", "new says One?", "Two?", "new says Two?", "Three?"],
    ]
    (judged,) = asked_of(endpoint, JUDGE)
    assert all(text in judged for text in ("new says One?", "new says Two?", "new says Three?"))
    assert done.summary["measures"]["session.mean"]["value"] == 4


def test_texts_that_postgres_cannot_hold_go_through(
    lqo: Lqo, tmp_path: Path, connection: psycopg.Connection[TupleRow]
) -> None:
    odd = "안녕 🎈 \u0000 \ud83d"
    data = write_rows(
        tmp_path / "q.jsonl", [{"id": "odd", "prompt": odd, "answer": f"re: {odd}", "cluster": odd}]
    )
    with judge_endpoint_in_thread(staged(Stage())) as endpoint:
        done = lqo.run(data, "--model", "new", "--baseline-recorded", endpoint=endpoint)
    assert (done.code, done.summary["measures"]["overall"]["n"]) == (0, 1)
    kept = connection.execute(
        "select item, answers from evaluation.eval_items where side = 'baseline'"
    ).fetchone()
    assert kept
    assert kept[0]["messages"][0]["content"] == odd
    assert kept[1] == [f"re: {odd}"]


NOWHERE = ("--base-url", "http://127.0.0.1:1")
ASKED = ("q.jsonl", "--model", "m")
JUDGED = (*ASKED, "--judge", "j")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "name a dataset"),
        (("q.jsonl", "--from-calls"), "two datasets"),
        ((*ASKED, "--pairwise"), "--pairwise compares with a baseline, and there is none"),
        ((*ASKED, "--no-grades"), "--no-grades leaves nothing"),
        ((*ASKED, "--baseline", "b", "--baseline-recorded"), "two baselines"),
        ((*ASKED, "--require-calibrated"), "add --fail-if"),
        ((*ASKED, "--rubric", "tone", "--rubric", "tone"), "a rubric is named twice"),
        ((*ASKED, "--rubric", "tone", "--fail-if", "tone<0"), "is not measured by this run"),
        ((*ASKED, "--rubric", "tone", "--fail-if", "import os"), "a condition must be"),
        ((*JUDGED, *NOWHERE, "--fail-if", "overall<0"), "is not measured by this run"),
        (("nowhere.jsonl", "--model", "m", "--judge", "j", *NOWHERE), "there is no file"),
        (JUDGED, "where is j?"),
        (ASKED, "no judge is configured for 'overall'"),
        (("q.jsonl", "--judge", "j", *NOWHERE), "holds no answers"),
        ((*ASKED, "--judge", "m", *NOWHERE), "would judge itself"),
        ((*JUDGED, "--base-url", "ftp://x"), "is no http or https URL"),
        ((*JUDGED, *NOWHERE, "--secret", "sk-itself"), "a secret is given as"),
        ((*JUDGED, *NOWHERE, "--secret", "env:NO_SUCH"), "NO_SUCH is not set"),
        ((*JUDGED, *NOWHERE, "--rubric", "beauty"), "there is no rubric 'beauty'"),
        ((*JUDGED, *NOWHERE, "--judge-parameter", "mood=good"), "parameters are NAME=VALUE"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(
    options: tuple[str, ...], says: str, lqo: Lqo, tmp_path: Path
) -> None:
    data = questions(tmp_path / "q.jsonl", 2)
    done = lqo("run", *(data if each == "q.jsonl" else each for each in options))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("lqo: ")
    assert says in done.err
    assert done.err.count("\n") == 1
    assert "sk-itself" not in done.err


@pytest.mark.parametrize("status", [401, 404])
def test_an_endpoint_that_refuses_every_call_is_one_line_and_no_pass(
    status: int, lqo: Lqo, tmp_path: Path
) -> None:
    stage = Stage(models={"new": lambda said: error(status, message="no such thing")})
    with judge_endpoint_in_thread(staged(stage)) as endpoint:
        done = lqo.run(
            questions(tmp_path / "q.jsonl", 30), "--model", "new", "--concurrency", "2", endpoint=endpoint
        )
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"lqo: new: endpoint says {status}")
    assert endpoint.requests <= 2


def test_a_key_is_sent_and_stands_nowhere(
    lqo: Lqo, tmp_path: Path, connection: psycopg.Connection[TupleRow]
) -> None:
    data = questions(tmp_path / "q.jsonl", 2)
    with judge_endpoint_in_thread(staged(Stage())) as endpoint:
        done = lqo.run(
            data,
            "--model",
            "new",
            "--secret",
            "env:OUR_KEY",
            endpoint=endpoint,
            OUR_KEY="sk-never-to-be-seen",
        )
    assert done.code == 0
    assert {each.authorization for each in endpoint.ledger} == {"Bearer sk-never-to-be-seen"}
    assert "sk-never" not in done.out
    for table in (
        "evaluation.eval_runs",
        "evaluation.eval_items",
        "evaluation.judge_versions",
        "raw.llm_calls",
    ):
        rows = connection.execute(f"select to_jsonb(t)::text from {table} as t").fetchall()  # type: ignore[arg-type]
        assert rows
        assert "sk-never" not in str(rows), table


def test_models_come_from_the_table_of_models(lqo: Lqo, tmp_path: Path) -> None:
    with judge_endpoint_in_thread(staged(graded("real-new"))) as endpoint:
        for alias, model in (("new", "real-new"), ("old", "real-old"), ("grader", JUDGE)):
            given = ("--provider", "vllm", "--base-url", endpoint.url, "--model", model)
            added = any_verb(lqo.home, "models", "add", alias, *given, DATABASE_URL=lqo.url.libpq())
            assert added.returncode == 0, added
        done = lqo.run(questions(tmp_path / "q.jsonl", 3), *SIDES, "--judge", "grader")
    assert done.code == 0, done
    assert done.summary["measures"]["overall"]["value"] == 1
    assert asked_of(endpoint, "real-new")
    assert asked_of(endpoint, "real-old")


def test_a_summary_for_a_pull_request(lqo: Lqo, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    rows = [{"id": f"@team <b>{at}</b> | x", "prompt": f"Secret text {at}"} for at in range(22)]
    with judge_endpoint_in_thread(staged(graded("old", by=2))) as endpoint:
        done = lqo.run(
            write_rows(tmp_path / "q.jsonl", rows),
            *SIDES,
            *("--fail-if", "overall<-0.1", "--fail-if", "overall.mean<1", "--markdown", report),
            endpoint=endpoint,
        )
    text = report.read_text()
    assert done.code == 1
    assert text.startswith("### ❌ Evaluation of new against old: FAILED")
    assert "- ❌ fails if `overall<-0.1`: overall is -2.0000" in text
    assert "- ✅ fails if `overall.mean<1`" in text
    assert "| `overall` | -2.000 | -2.000 to -2.000 | 22 of 22 | 22 |" in text
    assert "uncalibrated" in text
    assert "Secret text" not in text
    assert "@team" not in text
    assert "<b>" not in text
    table = [line for line in text.splitlines() if "team" in line]
    assert len(table) == 10
    assert all(line.replace("\\|", "").count("|") == 5 for line in table)


def test_runs_are_listed_and_shown(lqo: Lqo, tmp_path: Path) -> None:
    assert lqo("list").out.startswith("no runs yet")
    assert lqo("show").code == 2
    with judge_endpoint_in_thread(staged(graded("new"))) as endpoint:
        first = lqo.run(questions(tmp_path / "q.jsonl", 3), *SIDES, "--pairwise", endpoint=endpoint).summary
        lqo.run(questions(tmp_path / "r.jsonl", 2), "--model", "new", "--run", "later", endpoint=endpoint)
    newest, oldest = lqo("list").out.splitlines()
    assert "new on r.jsonl (later)" in newest
    assert oldest.startswith(first["run_id"])
    assert "new against old on q.jsonl" in oldest
    assert [each["candidate"] for each in json.loads(lqo("list", "--format", "json").out)] == ["new", "new"]
    shown = lqo("show", first["run_id"][:30], "--items")
    assert "q1  overall 4 → 5  pair: tie / tie" in shown.out
    assert json.loads(lqo("show", first["run_id"], "--format", "json").out) == first
    assert "r.jsonl" in lqo("show", "last").out
    assert lqo("show", "ffffffff").err == "lqo: there is no run 'ffffffff'; `lqo eval list` shows all\n"


def test_a_judge_must_be_calibrated_where_that_is_required(
    lqo: Lqo, tmp_path: Path, connection: psycopg.Connection[TupleRow]
) -> None:
    data = questions(tmp_path / "q.jsonl", 20)
    gate = ("--model", "new", "--fail-if", "overall.mean<3", "--require-calibrated")
    with judge_endpoint_in_thread(staged(Stage())) as endpoint:
        before = lqo.run(data, *gate, endpoint=endpoint)
        connection.execute(
            "insert into evaluation.calibrations"
            " (evaluator_version_id, stratum, n, n_clusters, figures, state)"
            " select id, 'overall', 100, 100, '{}', 'ok' from evaluation.evaluator_versions"
            " where evaluator = 'overall'"
        )
        connection.commit()
        after = lqo.run(data, *gate, endpoint=endpoint)
    assert (before.code, after.code) == (1, 0)
    assert "the judge of overall is uncalibrated" in before.summary["checks"][-1]["reason"]
    assert after.summary["judges"][0]["calibration"] == "ok"


@pytest.mark.parametrize("verb", [(), ("run",), ("list",), ("show",)])
def test_every_verb_has_help(verb: tuple[str, ...], lqo: Lqo) -> None:
    done = lqo(*verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert "Usage:" in done.out


def test_people_who_may_read_figures_do_not_read_texts(connection: psycopg.Connection[TupleRow]) -> None:
    def may(table: str, column: str) -> bool:
        row = connection.execute(
            "select has_column_privilege('lqo_reader', %s, %s, 'select')", (f"evaluation.{table}", column)
        ).fetchone()
        assert row
        return row[0]

    assert may("eval_runs", "figures")
    assert may("eval_items", "grades")
    assert may("pairwise_verdicts", "winner")
    for table, column in (
        *(("eval_items", name) for name in ("item", "answers", "reasons", "no_answer_detail")),
        ("pairwise_verdicts", "explanation"),
    ):
        assert not may(table, column), (table, column)
