"""The rule on vectors made by hand: what fails, what passes, what is unscored."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from evaluators.meaning.embedding import Embedder
from evaluators.rules.answer_relevance import answer_relevance
from evaluators.rules.identity import rule_hash
from evaluators.rules.prepare import INPUT_SCHEMA, prepare

ASKED = "How do I change the password of my account?"
ANSWER = "In the settings, under the heading of security, you can change your password."
PASTA = "Boil the pasta for ten minutes in much water with a little salt, then drain it."


def hand_made() -> Embedder:
    """Everything about pasta points one way, everything else another."""

    def vectors(texts: Sequence[str]) -> np.ndarray:
        return np.asarray([[0, 1] if "pasta" in text.lower() else [1, 0] for text in texts], dtype=np.float32)

    return Embedder("hand-made", vectors, vectors)


def verdicts(*calls: dict[str, object], **thresholds: float) -> list[tuple[object, object]]:
    rule = answer_relevance(embedder=hand_made, model="hand-made", **thresholds)  # type: ignore[arg-type]
    given = {"body_state": "full", "input_text": ASKED}
    rows = [{"call_id": str(number), **given, **call} for number, call in enumerate(calls)]
    frame = prepare(pl.DataFrame(rows, schema_overrides=INPUT_SCHEMA))
    return rule.check(frame).select("failed", "unscored_reason").rows()


def test_an_answer_about_something_else_fails() -> None:
    assert verdicts({"output_text": ANSWER}, {"output_text": PASTA}) == [(False, None), (True, None)]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ({"output_text": "42"}, "not_applicable"),
        ({"output_text": PASTA, "input_text": "shorter"}, "not_applicable"),
        ({"output_text": PASTA, "input_text": None}, "not_applicable"),
        ({"output_text": None, "body_state": "none"}, "not_evaluable"),
        ({"output_text": PASTA, "endpoint": "/v1/embeddings"}, "not_applicable"),
    ],
)
def test_what_cannot_be_judged_is_unscored(call: dict[str, object], reason: str) -> None:
    assert verdicts({"output_text": PASTA}, call) == [(True, None), (None, reason)]


def test_evidence_tells_the_measure_and_not_the_text() -> None:
    rule = answer_relevance(embedder=hand_made, model="hand-made")
    row = {"call_id": "1", "body_state": "full", "input_text": ASKED, "output_text": PASTA}
    frame = prepare(pl.DataFrame([row], schema_overrides=INPUT_SCHEMA))
    assert rule.check(frame)["evidence"].to_list() == ["similarity 0.00, less than 0.80"]


def test_another_model_or_threshold_is_another_version() -> None:
    rules = [
        answer_relevance(embedder=hand_made, model="one"),
        answer_relevance(embedder=hand_made, model="two"),
        answer_relevance(embedder=hand_made, model="one", least_similarity=0.5),
    ]
    assert len({rule_hash(rule) for rule in rules}) == 3
