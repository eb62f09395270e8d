"""The answer hands the prompt back."""

import re

import polars as pl

from evaluators.rules.base import NOT_APPLICABLE, Rule, outcome, rows_where, unscored_unless
from evaluators.rules.tokens import tokens

# Work on a text that rightly gives most of it back.
_WANTS_ECHO = re.compile(
    r"(?i)\b(?:repeat|copy|verbatim|word for word|proofread|correct|edit|fix|rewrite|rephrase|paraphras\w+"
    r"|translat\w+|format|convert|reformat|extract|highlight|continue|complete|fill in|sort|reorder|rearrange"
    r"|capitali[sz]e|punctuat\w+|grammar|repite|repetir|corrige|corregir|traduce|reescribe|répét\w+|répèt\w+"
    r"|corrig\w+|tradui\w+|réécri\w+|reformul\w+|recopi\w+)\b"
    r"|繰り返|そのまま|訂正|修正|翻訳|書き換え|重复|翻译|改写"
    r"|반복|그대로|교정|고쳐|수정|번역|다듬|바꿔|따라"
)


def prompt_echo(*, overlap: float = 0.8, least_part: float = 0.25, least_grams: int = 12) -> Rule:
    """Fails: at least `overlap` of the answer's n-grams stand in the prompt, and make at least
    `least_part` of it.

    Unscored: no text, an answer of fewer than `least_grams` n-grams, or an echo that the prompt asks for: to
    repeat, correct, translate or otherwise hand back a text (not_applicable). Thresholds: this
    project's, from reading the real answers near them (docs/real-data-rules.md).
    """

    def check(frame: pl.DataFrame) -> pl.DataFrame:
        length, asked_length = pl.col("answer").str.len_chars(), pl.col("input_text").str.len_chars()
        applies = ((length >= 2 * least_grams) & (asked_length > 0)).fill_null(value=False)
        # An answer of mostly the prompt's n-grams is not much longer than the prompt.
        near = applies & (length * overlap <= asked_length * 1.25)
        found = rows_where(
            frame, pl.col("text_gap").is_null() & near, columns=["answer", "input_text"], judge=judge
        )
        wanted = (pl.col("found") == NOT_APPLICABLE).fill_null(value=False)
        return outcome(
            frame.with_columns(found=found),
            unscored=unscored_unless(applies & ~wanted),
            evidence=pl.col("found"),
        )

    def judge(answer: str, prompt: str) -> str | None:
        found, asked = tokens(answer), tokens(prompt)
        count = found.count
        if count < least_grams or found.size != asked.size:
            return NOT_APPLICABLE
        # A shared n-gram begins with a shared word.
        known = set(asked.units)
        if sum(unit in known for unit in found.units) < overlap * count:
            return None
        grams, known_grams = found.grams(), set(asked.grams())
        # One option of many, or a quoted fact, is an answer.
        if len(set(grams)) < least_part * len(known_grams):
            return None
        share = sum(gram in known_grams for gram in grams) / count
        if share < overlap:
            return None
        is_wanted = _WANTS_ECHO.search(prompt) is not None
        return NOT_APPLICABLE if is_wanted else f"{share:.2f} of {count} n-grams stand in the prompt"

    return Rule(
        name="prompt_echo",
        version="1.0.0",
        severity="warning",
        description="The answer mostly repeats the prompt.",
        requires=("output_text", "input_text", "body_state"),
        check=check,
        config=(("overlap", overlap), ("least_part", least_part), ("least_grams", least_grams)),
    )
