"""The rules against labels on real answers; floors a little below the figures of docs/real-data-rules.md."""

from pathlib import Path

import pytest

from evaluators.rules.score import score_frame
from tests.evaluators import instruction_data as blocks
from tests.evaluators import rules_data as real
from tests.evaluators.refusal_labels import judged_refusals


@pytest.fixture(scope="module")
def ifeval(shared_data: Path) -> list[real.Answer]:
    return real.ifeval_answers(shared_data)


@pytest.fixture(scope="module")
def everything(shared_data: Path, ifeval: list[real.Answer]) -> list[real.Answer]:
    return ifeval + real.mtbench_answers(shared_data)


def test_invalid_json_agrees_with_every_label(ifeval: list[real.Answer]) -> None:
    tally = real.judged_by_instruction("invalid_json", ifeval, instruction="detectable_format:json_format")
    assert (tally.hits, tally.passes, tally.n) == (100, 215, 315)


def test_language_mismatch_finds_most_and_rarely_cries_wolf(ifeval: list[real.Answer]) -> None:
    tally = real.judged_by_instruction("language_mismatch", ifeval, instruction="language:response_language")
    assert tally.n == 423
    assert tally.precision >= 0.87
    assert tally.recall >= 0.80
    assert tally.unscored <= 50


def test_every_blank_answer_is_empty_and_no_other(everything: list[real.Answer]) -> None:
    tally = real.judged_empty(everything)
    assert (tally.hits, tally.false_alarms, tally.misses) == (23, 0, 0)


def test_every_plain_loop_is_found_and_more_only_where_words_are_not_spaced(
    everything: list[real.Answer],
) -> None:
    tally = real.judged_loops(everything)
    assert tally.recall == 1.0
    assert tally.hits >= 550
    assert tally.false_alarms <= 140


def test_refusals_agree_with_a_reader(everything: list[real.Answer]) -> None:
    tally = judged_refusals(everything)
    assert tally.n == 120
    assert tally.precision >= 0.85
    assert tally.recall >= 0.75


@pytest.mark.parametrize(
    ("kind", "recall"),
    [("e-mail", 1.0), ("phone", 0.86), ("card", 0.97), ("IBAN", 1.0), ("any of them", 0.95)],
)
def test_personal_data_is_found_without_a_false_alarm(shared_data: Path, kind: str, recall: float) -> None:
    tally = real.judged_pii(shared_data)[kind]
    assert tally.n == 1500
    assert tally.precision >= 0.99
    assert tally.recall >= recall


def test_building_blocks_agree_with_the_checker_on_the_half_that_was_not_looked_at(shared_data: Path) -> None:
    tallies = blocks.by_instruction(shared_data, half="held")
    n_right = sum(tally.hits + tally.passes for tally in tallies.values())
    n_scored = sum(tally.n - tally.unscored for tally in tallies.values())
    assert n_scored >= 7_500
    assert n_right / n_scored >= 0.98
    exact = [name for name, tally in tallies.items() if tally.hits + tally.passes == tally.n - tally.unscored]
    assert len(exact) >= 95


def test_spans_of_the_held_templates_are_found_without_a_false_alarm(shared_data: Path) -> None:
    tallies = blocks.span_tallies(shared_data, half="held")
    assert {kind: tally.false_alarms for kind, tally in tallies.items()} == dict.fromkeys(tallies, 0)
    assert tallies["card"].recall >= 0.95
    assert tallies["phone"].recall >= 0.55


def test_most_real_answers_pass_all_rules(everything: list[real.Answer]) -> None:
    failed = score_frame(real.calls(everything))["failed"]
    assert failed.list.len().eq(0).mean() >= 0.9
    assert failed.explode().eq("secret_leak").sum() == 0
