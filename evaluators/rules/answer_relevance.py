"""The answer is about something else than the prompt. By vectors of meaning, from an optional extra."""

from collections.abc import Callable

import polars as pl

from evaluators.meaning.embedding import Embedder, load_embedder, model_name
from evaluators.rules.base import NOT_APPLICABLE, Rule, outcome, unscored_unless
from evaluators.rules.language import letters, sample


def answer_relevance(
    *,
    least_similarity: float = 0.8,
    least_letters: int = 20,
    embedder: Callable[[], Embedder] = load_embedder,
    model: str | None = None,
) -> Rule:
    """Fails: the cosine of prompt and answer, as a question and a passage, is below `least_similarity`.

    Unscored: no text, or fewer than `least_letters` letters on either side (not_applicable); text that was
    not kept (not_evaluable). Of severity info: being off the topic is a hint, and a short follow-up
    ("shorter, please") says little of its topic. Only the first 400 characters of each side are read.
    `model` names what `embedder` loads and is part of the rule's version. Raises MissingModelError.
    """
    named = model or model_name()

    def check(frame: pl.DataFrame) -> pl.DataFrame:
        long_enough = [letters(sample(pl.col(side))) >= least_letters for side in ("answer", "input_text")]
        frame = frame.with_columns(applies=pl.all_horizontal(long_enough).fill_null(value=False))
        scored = frame.with_row_index("number").filter("applies", pl.col("text_gap").is_null())
        evidence: list[str | None] = [None] * frame.height
        for number, similarity in zip(scored["number"], similarities(scored), strict=True):
            if similarity < least_similarity:
                evidence[number] = f"similarity {similarity:.2f}, less than {least_similarity:.2f}"
        return outcome(
            frame,
            unscored=unscored_unless(pl.col("applies"), reason=NOT_APPLICABLE),
            evidence=pl.Series("found", evidence, dtype=pl.String),
        )

    def similarities(scored: pl.DataFrame) -> list[float]:
        if scored.is_empty():
            return []
        loaded = embedder()
        questions = loaded.questions(scored["input_text"].to_list())
        passages = loaded.passages(scored["answer"].to_list())
        return [float(cosine) for cosine in (questions * passages).sum(axis=1)]

    return Rule(
        name="answer_relevance",
        version="1.0.0",
        severity="info",
        description="The answer is about something else than the prompt.",
        requires=("output_text", "input_text", "body_state"),
        check=check,
        config=(
            ("least_similarity", least_similarity),
            ("least_letters", least_letters),
            ("model", named),
        ),
    )
