"""Each building block on a text that follows its instruction, and on one that does not."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from evaluators.rules.prepare import prepare
from evaluators.rules.written.definition import read_definition
from evaluators.rules.written.instructions import INSTRUCTIONS
from evaluators.rules.written.looks import RefusedError
from evaluators.rules.written.rule import written_rule

ANSWER = "The quick brown fox jumps over the lazy dog. It rests now."
LONG_ENGLISH = "this is how we write the answer to your question, and it is all that there is to say about it"

# name, arguments, a text that follows, one that does not.
CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("keywords:existence", {"keywords": ["Fox", "c++"]}, "a fox in C++", "a fox in C"),
    ("keywords:existence", {"keywords": ["été"]}, "L'ÉTÉ vient", "l'hiver vient"),
    ("ja:keywords:existence", {"keywords": ["建築"]}, "建築家の話", "家の話"),
    (
        "keywords:frequency",
        {"keyword": "fox", "frequency": 2, "relation": "at least"},
        "Fox, foxes",
        "a fox",
    ),
    (
        "keywords:frequency",
        {"keyword": "fox", "frequency": 2, "relation": "less than"},
        "a fox",
        "fox fox",
    ),
    ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, "a category of its own", "the CAT sat"),
    ("keywords:forbidden_words", {"forbidden_words": ["c++"]}, "plain c", "in C++, too"),
    ("ja:keywords:forbidden_words", {"forbidden_words": ["栄養"]}, "健康です", "栄養素です"),
    (
        "keywords:letter_frequency",
        {"letter": "Q", "let_frequency": 2, "let_relation": "at least"},
        "Quick quack",
        "quick",
    ),
    (
        "ja:keywords:letter_frequency",
        {"letter": "あ", "let_frequency": 2, "let_relation": "以上"},
        "あとア",
        "あと",
    ),
    ("length_constraints:number_words", {"num_words": 3, "relation": "at least"}, "one two three", "one two"),
    (
        "fr:length_constraints:number_words",
        {"num_words": 3, "relation": "moins de"},
        "un deux",
        "un deux trois",
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "at least"},
        "Dr. Who came at 3.5 o'clock. He left.",
        "Dr. Who came at 3.5 o'clock, e.g. today.",
    ),
    (
        "ja:length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "以上"},
        "今日は晴れ。明日は雨。",
        "今日は晴れ。",
    ),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "one\n***\ntwo", "one\n\ntwo"),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        "***\none\n***\ntwo\n***",
        "one *** *** two",
    ),
    ("length_constraints:number_letters", {"num_letters": 3, "relation": "at least"}, "日本語", "日本"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Dogs"},
        'Cats.\n\n"Dogs, too.',
        "Cats.\n\nHotdogs, too.",
    ),
    (
        "ja:length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "愛"},
        "夢。\n\n「愛は大切。",
        "夢。\n\n恋愛は大切。",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] at [place]", "[name\n]"),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.P.S"},
        "Bye.\nP. P. S. more",
        "Bye.\nP.S. more",
    ),
    ("detectable_content:postscript", {"postscript_marker": "追伸"}, "では。\n追伸 また", "では。"),
    ("fr:detectable_content:no_digits", {}, "deux", "2"),
    ("fr:detectable_content:informal_address", {}, "Je t'aime", "Je vous aime"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* one\n- two", "* one\n**two**"),
    ("ja:detectable_format:number_bullet_lists", {"num_bullets": 2}, "・一\n・二", "- 一\n- 二"),
    ("ja:detectable_format:number_numbered_lists", {"num_items": 2}, "1. 一\n2. 二", "1. 一"),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        "*a* and **b**",
        "*a* and ** **",
    ),
    ("ja:detectable_format:number_highlighted_sections", {"num_highlights": 1}, "《大切》", "《 》と*大切*"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "SECTION", "num_sections": 2},
        "SECTION 1\na\nSECTION 2\nb",
        "Section 1\na\nSECTION 2\nb",
    ),
    (
        "ja:detectable_format:multiple_sections",
        {"section_spliter": "章", "num_sections": 2},
        "第1章\na\n第２章\nb",
        "第1章\na",
    ),
    ("detectable_format:json_format", {}, '```json\n{"a": [1]}\n```', 'Here: {"a": 1}'),
    ("detectable_format:title", {}, "<<A Title>>\ntext", "<< >>\ntext"),
    ("ja:detectable_format:title", {}, "『題』\n本文", "<<題>>\n本文"),
    ("detectable_format:constrained_response", {}, "My answer is no.", "No."),
    ("fr:detectable_format:constrained_response", {}, "Peut-être.", "peut être"),
    ("es:detectable_format:constrained_response", {}, "Sí.", "si"),
    ("fr:detectable_format:title", {}, "##Hymne##", "<<Hymne>>"),
    ("detectable_format:constrained_response", {"options": ["A", "B"]}, "B", "C"),
    ("ja:detectable_format:nominal_ending", {"count": 1}, "それは大切な時間。", "それは大切です。"),
    ("combination:two_responses", {}, "one\n******\ntwo", "one\n******\none"),
    ("combination:two_responses", {}, "one******two******", "one ****** two ****** three"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say Hi"}, " say hi. Hi!", "Hi! Say hi"),
    ("combination:repeat_prompt", {}, "What is up? All fine", "All fine"),
    ("startend:start_phrase", {"start_phrase": "Dear all"}, '"Dear ALL, hello', "Hello, dear all"),
    ("startend:end_checker", {"end_phrase": "The end."}, 'So it was. the END."', "The end. Or not"),
    ("ja:startend:end_checker", {"end_phrase": "以上です。"}, "「以上です。」", "以上です"),
    ("startend:quotation", {}, ' "all of it" ', '"'),
    ("fr:startend:quotation", {}, "« tout »", "tout"),
    ("ja:startend:quotation", {}, "「全部」", '"全部"'),
    (
        "ja:startend:sentence_unified_end",
        {"ending": "です"},
        "晴れです。「雨。」雪です！",
        "晴れです。雨だ。",
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        "The U.S. AND more",
        "The X-ray AND more",
    ),
    ("change_case:english_capital", {}, LONG_ENGLISH.upper(), LONG_ENGLISH.capitalize()),
    ("change_case:english_lowercase", {}, LONG_ENGLISH, LONG_ENGLISH.capitalize()),
    (
        "change_case:french_lowercase",
        {},
        "le chat est sur la table avec les livres que vous avez vus dans la maison de votre ami",
        LONG_ENGLISH,
    ),
    ("change_case:spanish_capital", {}, "EL GATO ESTÁ EN LA CASA DE MIS AMIGOS Y NO QUIERE SALIR", "El gato"),
    (
        "change_case:spanish_lowercase",
        {},
        "el gato está en la casa de mis amigos y no quiere salir",
        "El gato",
    ),
    ("change_case:french_capital", {}, "LE CHAT EST SUR LA TABLE AVEC LES LIVRES DE MON AMI", "Le chat"),
    ("punctuation:no_comma", {}, "no such sign、", "yes, one"),
    ("ja:punctuation:no_comma", {}, "1,000円です", "はい、そうです"),
    ("ja:punctuation:no_period", {}, "はい", "はい。"),
    ("es:punctuation:question_marks", {}, "¿Qué tal?", "Qué tal? ¿ ?"),
    ("es:punctuation:exclamation_marks", {}, "¡Hola!", "Hola!"),
    ("es:special_character:tildes", {"num_words": 2, "relation": "al menos"}, "canción y ratón", "canción"),
    ("es:special_character:enie", {"let_frequency": 2}, "año y niño", "año y mano"),
    ("es:special_character:dieresis", {"let_frequency": 1}, "pingüino", "pinguino"),
    ("fr:special_character:ethel_or_cedilla", {"forbidden_char": "ç"}, "comme ca", "Ça va"),
    ("fr:special_character:no_accents", {}, "ete", "été"),
    ("fr:special_character:accents", {"word_to_accentuate": {"ete": "été"}}, "Un été, un but", "Un ete"),
    ("ja:letters:furigana", {}, "漢字（かんじ）です", "漢字です"),
    ("ja:letters:kanji", {"kanji_limit": 3, "relation": "未満"}, "漢字だ", "漢字学だ"),
    ("ja:letters:kansuuji", {}, "三つ", "3つ"),
    ("ja:letters:no_hiragana", {}, "カタカナ漢字", "カタカナと"),
    ("ja:letters:no_katakana", {}, "ひらがな漢字", "ひらがなト"),
    ("ja:letters:hiragana_only", {}, "ひらがなー、だけ！1", "ひらがなと漢字"),
    ("ja:letters:katakana_only", {}, "カタカナ・ダケー。", "カタカナと"),
    (
        "language:response_language",
        {"language": "en"},
        LONG_ENGLISH,
        "이것은 한국어로 쓴 대답입니다. 감사합니다.",
    ),
]


def verdict(text: str, name: str, arguments: dict[str, Any], frame_of: Callable[..., pl.DataFrame]) -> Any:
    definition = read_definition({"id": "x", "instruction": name, "arguments": arguments})
    frame = prepare(frame_of({"output_text": text, "input_text": "What is up?"}))
    return written_rule(definition).check(frame).row(0)


@pytest.mark.parametrize(("name", "arguments", "good", "bad"), CASES, ids=[case[0] for case in CASES])
def test_a_text_that_follows_passes_and_one_that_does_not_fails(
    name: str, arguments: dict[str, Any], good: str, bad: str, frame_of: Callable[..., pl.DataFrame]
) -> None:
    assert verdict(good, name, arguments, frame_of) == (False, None, None)
    failed, reason, evidence = verdict(bad, name, arguments, frame_of)
    assert (failed, reason) == (True, None)
    assert evidence


def test_every_building_block_has_an_example() -> None:
    used = {name.split(":", 1)[1] if name[:3] in ("en:", "es:", "fr:", "ja:") else name for name, *_ in CASES}
    assert used == INSTRUCTIONS.keys()


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("keywords:nothing", {}, "instruction"),
        ("keywords:existence", {}, "arguments.keywords"),
        ("keywords:existence", {"keywords": []}, "arguments.keywords"),
        ("keywords:existence", {"keywords": ["a"], "surplus": 1}, "arguments.surplus"),
        ("keywords:frequency", {"keyword": "a", "frequency": "two"}, "arguments.frequency"),
        ("keywords:frequency", {"keyword": "a", "frequency": 2, "relation": "some"}, "arguments.relation"),
        ("keywords:letter_frequency", {"letter": "ab", "let_frequency": 1}, "arguments.letter"),
        ("length_constraints:number_words", {"num_words": -1}, "arguments.num_words"),
        ("language:response_language", {"language": "English"}, "arguments.language"),
    ],
)
def test_a_bad_argument_is_named(name: str, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(RefusedError) as refused:
        written_rule(read_definition({"id": "x", "instruction": name, "arguments": arguments}))
    assert refused.value.field == field
    assert "\n" not in str(refused.value)


def test_a_text_in_a_language_nobody_can_tell_is_unscored(frame_of: Callable[..., pl.DataFrame]) -> None:
    found = verdict("ok 👍", "language:response_language", {"language": "fr"}, frame_of)
    assert found == (None, "not_applicable", None)


@pytest.mark.parametrize(
    "text", ["ordinary", "日本語。" * 40_000, "a\n\n" * 60_000, "*" * 100_000, "🙂\ud7ff" * 50_000]
)
def test_every_building_block_judges_every_text(text: str, frame_of: Callable[..., pl.DataFrame]) -> None:
    for name, arguments, *_ in CASES:
        failed, reason, _ = verdict(text, name, arguments, frame_of)
        assert (failed is None) == (reason is not None)
