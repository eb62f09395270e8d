"""The answer hands the prompt back."""

import polars as pl

from evaluators.rules.base import Rule, outcome, rows_where, unscored_unless
from evaluators.rules.tokens import n_grams

# Work on a text that rightly gives most of it back.
_WANTS_ECHO = (
    r"(?i)\b(?:repeat|copy|verbatim|word for word|proofread|correct|edit|fix|rewrite|rephrase|paraphras\w+"
    r"|translat\w+|format|convert|reformat|extract|highlight|continue|complete|fill in|sort|reorder|rearrange"
    r"|capitali[sz]e|punctuat\w+|grammar|repite|repetir|corrige|corregir|traduce|reescribe|répét\w+|répèt\w+"
    r"|corrig\w+|tradui\w+|réécri\w+|reformul\w+|recopi\w+)\b"
    r"|繰り返|そのまま|訂正|修正|翻訳|書き換え|重复|翻译|改写"
    r"|반복|그대로|교정|고쳐|수정|번역|다듬|바꿔|따라"
)


def prompt_echo(*, overlap: float = 0.8, least_grams: int = 12) -> Rule:
    """Fails: at least `overlap` of the answer's n-grams stand in the prompt.

    Unscored: no text, an answer of fewer than `least_grams` n-grams, or a prompt that asks to repeat, correct,
    translate or otherwise hand back a text (not_applicable). Thresholds: this project's, by looking at the
    answers between .5 and 1 in M-IFEval (docs/real-data-rules.md).
    """

    def check(frame: pl.DataFrame) -> pl.DataFrame:
        length, asked_length = pl.col("answer").str.len_chars(), pl.col("input_text").str.len_chars()
        applies = (
            (length >= 3 * least_grams // 2)
            & (asked_length > 0)
            & ~pl.col("input_text").str.contains(_WANTS_ECHO)
        ).fill_null(value=False)
        # An answer of mostly the prompt's n-grams is not much longer than the prompt.
        near = applies & (length * overlap <= asked_length * 1.5)
        found = rows_where(
            frame, pl.col("text_gap").is_null() & near, columns=["answer", "input_text"], judge=judge
        )
        return outcome(frame, unscored=unscored_unless(applies), evidence=found)

    def judge(answer: str, prompt: str) -> str | None:
        grams = n_grams(answer)
        if len(grams) < least_grams:
            return None
        asked = set(n_grams(prompt))
        share = sum(gram in asked for gram in grams) / len(grams)
        return f"{share:.2f} of {len(grams)} n-grams stand in the prompt" if share >= overlap else None

    return Rule(
        name="prompt_echo",
        version="1.0.0",
        severity="warning",
        description="The answer mostly repeats the prompt.",
        requires=("output_text", "input_text", "body_state"),
        check=check,
        config=(("overlap", overlap), ("least_grams", least_grams)),
    )
