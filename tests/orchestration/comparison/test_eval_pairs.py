"""`lqo eval run --pairwise`: both orders, ties, flips, missing verdicts, and GPT-4's verdicts of MT-Bench."""

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.judge_endpoint import Reply, judge_endpoint_in_thread
from tests.orchestration.comparison.playing import Lqo, Stage, asked_of, pieces, questions, staged, write_rows

SIDES = ("--model", "new", "--baseline", "old", "--pairwise", "--no-grades")


def number_in(text: str) -> int:
    return int(text.rpartition(" ")[2].rstrip("?"))


def test_only_wins_in_both_orders_are_wins(
    lqo: Lqo, tmp_path: Path, connection: psycopg.Connection[TupleRow]
) -> None:
    def better(first: str, second: str) -> object:
        number = number_in(first)
        if number < 10:
            return "first" if first.startswith("new") else "second"
        if number < 14:
            return "second" if first.startswith("new") else "first"
        return "first" if number < 22 else "tie"

    with judge_endpoint_in_thread(staged(Stage(better=better))) as endpoint:
        done = lqo.run(
            questions(tmp_path / "q.jsonl", 30), *SIDES, "--fail-if", "win_rate<0.5", endpoint=endpoint
        )
    measures = done.summary["measures"]
    assert done.code == 0
    assert set(measures) == {"win_rate", "win_rate_without_ties", "flip_rate", "longest_wins"}
    assert measures["win_rate"]["value"] == (10 + 16 / 2) / 30
    assert measures["win_rate_without_ties"]["value"] == pytest.approx(10 / 14)
    assert measures["flip_rate"]["value"] == 8 / 30
    assert [measures[name]["n"] for name in ("win_rate", "win_rate_without_ties")] == [30, 14]
    assert measures["win_rate"]["low"] < measures["win_rate"]["value"] < measures["win_rate"]["high"]
    rows = connection.execute(
        "select is_candidate_first, winner, count(*)"
        " from evaluation.pairwise_verdicts group by 1, 2 order by 1, 2"
    ).fetchall()
    assert rows == [
        *((False, "baseline", 12), (False, "candidate", 10), (False, "tie", 8)),
        *((True, "baseline", 4), (True, "candidate", 18), (True, "tie", 8)),
    ]


def test_each_pair_is_shown_in_both_orders(lqo: Lqo, tmp_path: Path) -> None:
    with judge_endpoint_in_thread(staged(Stage())) as endpoint:
        lqo.run(questions(tmp_path / "q.jsonl", 3), *SIDES, endpoint=endpoint)
    judged = [pieces(each.body) for each in endpoint.ledger if each.body["model"].startswith("judge")]
    orders = {(shown["the first answer"], shown["the second answer"]) for shown in judged}
    assert orders == {
        (f"{first} says Question {at}?", f"{second} says Question {at}?")
        for at in range(3)
        for first, second in (("new", "old"), ("old", "new"))
    }


def test_a_pair_without_a_verdict_in_one_order_is_no_loss(lqo: Lqo, tmp_path: Path) -> None:
    def better(first: str, second: str) -> object:
        is_odd = number_in(first) < 3 and first.startswith("old")
        if is_odd:
            return Reply(content="[[B]]")
        return "first" if first.startswith("new") else "second"

    with judge_endpoint_in_thread(staged(Stage(better=better))) as endpoint:
        done = lqo.run(
            questions(tmp_path / "q.jsonl", 25), *SIDES, "--fail-if", "win_rate.low<0.8", endpoint=endpoint
        )
    assert done.code == 0
    assert (done.summary["measures"]["win_rate"]["value"], done.summary["measures"]["win_rate"]["n"]) == (
        1,
        22,
    )
    assert done.summary["unsettled"] == {"parse_error": 3}


def test_equal_answers_are_a_tie_that_nobody_is_paid_for(lqo: Lqo, tmp_path: Path) -> None:
    stage = Stage(models={"new": lambda said: "42", "old": lambda said: "42"})
    with judge_endpoint_in_thread(staged(stage)) as endpoint:
        done = lqo.run(
            questions(tmp_path / "q.jsonl", 20), *SIDES, "--fail-if", "win_rate.low<0.2", endpoint=endpoint
        )
    assert endpoint.requests == 40
    assert (done.code, done.summary["measures"]["win_rate"]["value"]) == (0, 0.5)
    assert done.summary["measures"]["flip_rate"]["value"] == 0


def test_a_judge_that_likes_length_shows_it(lqo: Lqo, tmp_path: Path) -> None:
    def better(first: str, second: str) -> object:
        return "first" if len(first) > len(second) else "second"

    def wordy(said: str) -> str:
        return "long " * (20 if number_in(said) % 2 else 1) + said

    stage = Stage(models={"new": wordy, "old": lambda said: "long " * 10 + said}, better=better)
    with judge_endpoint_in_thread(staged(stage)) as endpoint:
        done = lqo.run(questions(tmp_path / "q.jsonl", 30), *SIDES, endpoint=endpoint)
    assert done.summary["measures"]["longest_wins"]["value"] == 1
    assert done.summary["measures"]["win_rate"]["value"] == 0.5


def test_a_judge_that_likes_the_first_place_makes_ties_only(lqo: Lqo, tmp_path: Path) -> None:
    stage = Stage(better=lambda first, second: "first")
    with judge_endpoint_in_thread(staged(stage)) as endpoint:
        done = lqo.run(
            questions(tmp_path / "q.jsonl", 20), *SIDES, "--fail-if", "flip_rate>0.2", endpoint=endpoint
        )
    assert done.code == 1
    assert done.summary["measures"]["win_rate"]["value"] == 0.5
    assert done.summary["measures"]["flip_rate"]["value"] == 1
    assert done.summary["measures"]["win_rate_without_ties"]["value"] is None


def test_conversations_are_compared_whole(lqo: Lqo, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "q.jsonl", [{"id": 1, "turns": ["One?", "Two?"], "reference": "R"}])
    with judge_endpoint_in_thread(staged(Stage())) as endpoint:
        lqo.run(data, *SIDES, endpoint=endpoint)
    shown = pieces(next(each.body for each in endpoint.ledger if each.body["model"].startswith("judge")))
    assert shown["the first answer"] == "new says One?\n\n[user]\nTwo?\n\n[assistant]\nnew says Two?"
    assert shown["reference answer, known to be good"] == "R"
    assert asked_of(endpoint, "new") == ["One?", "Two?"]


OURS, THEIRS = "gpt-3.5-turbo", "claude-v1"


def gpt4_verdicts(folder: Path) -> dict[tuple[int, int], str]:
    """GPT-4's verdict of each question and turn: ours, theirs, tie, or flip (the order decided)."""
    found: dict[tuple[int, int], str] = {}
    for line in (folder / "mtbench_gpt4_pair.jsonl").read_text().splitlines():
        row = json.loads(line)
        models = {"model_a": row["model_a"], "model_b": row["model_b"]}
        if set(models.values()) != {OURS, THEIRS}:
            continue
        winner = {OURS: "ours", THEIRS: "theirs"}.get(models.get(row["winner"], ""))
        flip = "flip" if "inconsistent" in row["winner"] else "tie"
        found[row["question_id"], row["turn"]] = winner or flip
    return found


def recorded_answers(folder: Path) -> Iterator[dict[str, Any]]:
    with lzma.open(folder / "mtbench_answers.jsonl.xz", "rt") as file:
        for line in file:
            row = json.loads(line)
            if row["model"] in (OURS, THEIRS):
                yield row


def test_recorded_verdicts_of_gpt4_give_their_own_win_rate(
    shared_data: Path, lqo: Lqo, tmp_path: Path
) -> None:
    verdicts = gpt4_verdicts(shared_data)
    answers = {(row["question_id"], row["model"]): row for row in recorded_answers(shared_data)}
    assert len(verdicts) == 160
    asked, said = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, turn in verdicts:
        prompts = answers[number, OURS]["prompts"][:turn]
        asked.append({"id": f"{number}/{turn}", "turns": prompts, "cluster": number})
        said += [
            {"id": f"{number}/{turn}", "model": model, "answers": answers[number, model]["responses"][:turn]}
            for model in (OURS, THEIRS)
        ]
    keys = {_shown(answers[number, OURS], turn): (number, turn) for number, turn in verdicts}

    def better(first: str, second: str) -> object:
        is_ours_first = first in keys
        key = keys[first if is_ours_first else second]
        verdict = verdicts[key]
        if verdict in ("tie", "flip"):
            return "tie" if verdict == "tie" else "first"
        return "first" if (verdict == "ours") is is_ours_first else "second"

    data = write_rows(tmp_path / "mtbench.jsonl", asked)
    recorded = write_rows(tmp_path / "answers.jsonl", said)
    with judge_endpoint_in_thread(staged(Stage(better=better))) as endpoint:
        done = lqo.process(
            data,
            *("--answers", recorded, "--model", OURS, "--baseline-answers", recorded, "--baseline", THEIRS),
            *("--pairwise", "--no-grades", "--fail-if", "win_rate<0.5"),
            endpoint=endpoint,
        )
    equal = [
        (number, turn)
        for number, turn in verdicts
        if _shown(answers[number, OURS], turn) == _shown(answers[number, THEIRS], turn)
    ]
    assert {verdicts[key] for key in equal} == {"tie"}
    counts = {word: list(verdicts.values()).count(word) for word in ("ours", "theirs", "tie", "flip")}
    n_ties = counts["tie"] + counts["flip"]
    measures = done.summary["measures"]
    assert endpoint.requests == 2 * (160 - len(equal))
    assert measures["win_rate"]["value"] == pytest.approx((counts["ours"] + n_ties / 2) / 160)
    assert measures["win_rate_without_ties"]["value"] == pytest.approx(
        counts["ours"] / (counts["ours"] + counts["theirs"])
    )
    assert measures["flip_rate"]["value"] == counts["flip"] / 160
    assert (measures["win_rate"]["n"], measures["win_rate"]["n_prompts"]) == (160, 80)
    assert done.code == (1 if measures["win_rate"]["value"] < 0.5 else 0)


def _shown(row: dict[str, Any], turn: int) -> str:
    first, second = row["responses"][:2]
    if turn == 1:
        return first.strip("\n")
    return f"{first}\n\n[user]\n{row['prompts'][1]}\n\n[assistant]\n{second}".strip("\n")
