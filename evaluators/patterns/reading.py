"""What kind of prompt it is, so that models are compared on like prompts: what it asks for, and its language.

Both are cheap and coarse on purpose: a class that holds few calls compares nothing. They are told from the
prompt's beginning alone, before anybody has seen an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from evaluators.rules.language import detect, letters, obvious, sample

READER: Final = "1.0.0"
"""Raised whenever a text gets another class or language: calls are then read again."""

UNCLEAR: Final = "(unclear)"
"""The language of a prompt with too few words, or one that the model is not sure of."""

READ_AT_BEGINNING: Final = 1_000
READ_AT_END: Final = 200
_LEAST_LETTERS = 24
_LEAST_PROBABILITY = 0.7

# The first that matches counts: "summarize this code" is a summary, "translate this poem" a translation.
_CLASSES: Final = {
    "translation": r"\btranslat(?:e|ion)|번역|翻訳|翻译|翻譯|\btraduc|\btraduz|\btradui|übersetz",
    "summary": r"\bsummar(?:y|i[sz])|\btl;?dr\b|\b(?:key|main) (?:points|takeaways)|요약|要約|总结|摘要"
    r"|\bresum(?:e|a|en|ir)\b|\brésum|zusammenfass",
    "code": r"```|\bdef \w+\(|#include\b|\bselect\b.{1,200}\bfrom\b|</\w+>|\b(?:python|javascript|typescript"
    r"|java|c\+\+|rust|golang|sql|html|css|bash|regex|regular expression|algorithm|debug|refactor|unit tests?"
    r"|source code)\b|\b(?:write|implement|fix|review|explain)\b.{0,40}\b(?:code|function|script|program"
    r"|query|class|method)\b|코드|함수|コード|関数|代码|函数|\bcódigo\b|\bquelltext",
    "structured": r"\b(?:json|yaml|xml|csv|extract|classify|categori[sz]e|identify the|named entit(?:y|ies)"
    r"|sentiment)\b|\blabel (?:the|each|this)|\b(?:as|in|into) a table\b|추출|분류|抽出|分類|提取|分类"
    r"|\bextra(?:e|er|ire|iga)\b|\bclasific|\bclassifi|klassifizier",
    "math": r"\b(?:solve|equation|calculate|derivative|integral|remainder|probability|polynomial|percent"
    r"|percentage|how many|how much|prove that|theorem|triangle|f\(x\))|\d\s*[-+*/^×÷=]\s*\d|계산|방정식|計算"
    r"|方程|计算|\bcalcul|\becuación|\bequação|\bgleichung|\bberechne",
    "writing": r"\b(?:write|compose|draft|rewrite|rephrase|paraphrase|proofread|edit the|essay|poem|story"
    r"|e-?mail|cover letter|blog|slogan|headline|imagine|pretend|role-?play|act as|embody|take on the role"
    r"|describe a|craft)\b|작성|써\s?줘|쓰세요|書いて|作文|撰写|写一|\bescrib|\bredact|\bécri|\brédig"
    r"|\bschreib|\bverfass",
}
_QUESTION: Final = (
    r"[?？؟]\s*$|^\W*(?:what|who|whom|whose|which|when|where|why|how|is|are|was|were|do|does|did|can|could"
    r"|should|would|explain|describe|qué|quién|cómo|cuál|por qué|comment|pourquoi|quel|quelle|was|wer|wie"
    r"|warum|wann)\b|무엇|어떻게|왜|언제|까\?|どう|なぜ|何|什么|为什么|怎么"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """`prompt_class` is code, math, translation, summary, structured, writing, question or other; `language`
    an ISO 639 code or `(unclear)`."""

    prompt_class: str
    language: str


def read(prompts: Sequence[str]) -> list[Reading]:
    """The reading of each prompt, in order; a pure function of each text."""
    texts = pl.DataFrame({"text": list(prompts)}, schema={"text": pl.String})
    shown = texts.select(
        beginning=pl.col("text").str.head(READ_AT_BEGINNING).str.to_lowercase(),
        end=pl.col("text").str.tail(READ_AT_END),
        sample=sample(pl.col("text")),
    )
    found = shown.select(
        "sample",
        prompt_class=_prompt_class(),
        language=obvious(pl.col("sample")),
        can_be_told=letters(pl.col("sample")) >= _LEAST_LETTERS,
    )
    return [
        Reading(prompt_class, language or (_detected(text) if can_be_told else UNCLEAR))
        for text, prompt_class, language, can_be_told in found.iter_rows()
    ]


def _prompt_class() -> pl.Expr:
    beginning, end = pl.col("beginning"), pl.col("end")
    classes = [
        pl.when(beginning.str.contains(rf"(?s){pattern}")).then(pl.lit(name))
        for name, pattern in _CLASSES.items()
    ]
    is_question = beginning.str.contains(_QUESTION) | end.str.contains(r"[?？؟]\s*$")
    return pl.coalesce(*classes, pl.when(is_question).then(pl.lit("question")), pl.lit("other"))


def _detected(sample: str) -> str:
    language, probability = detect(sample)
    return language if probability >= _LEAST_PROBABILITY else UNCLEAR
