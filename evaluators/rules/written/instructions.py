"""The building blocks by name: the verifiable instructions of IFEval and its M-IFEval family.

Zhou et al. 2023, "Instruction-Following Evaluation for Large Language Models", and M-IFEval (Dussolle et al.
2025) for Spanish, French and Japanese. A name is theirs; a language before it (`ja:detectable_format:title`)
says whose marks count.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from evaluators.rules.written import (
    cases,
    characters,
    contents,
    formats,
    keywords,
    languages,
    lengths,
    whole,
)
from evaluators.rules.written.arguments import Arguments, Nothing, read_arguments
from evaluators.rules.written.looks import Look, RefusedError

LANGUAGES = ("en", "es", "fr", "ja")


@dataclass(frozen=True, slots=True)
class Instruction:
    """A building block: the shape of its arguments, the factory, and the one language it is for."""

    build: Callable[..., Look]
    arguments: type[Arguments] = Nothing
    language: str | None = None

    @property
    def module(self) -> str:
        """Where its code stands; part of the identity of a rule that uses it."""
        return self.build.__module__


INSTRUCTIONS: dict[str, Instruction] = {
    "keywords:existence": Instruction(keywords.existence, keywords.Existing),
    "keywords:frequency": Instruction(keywords.frequency, keywords.Frequency),
    "keywords:forbidden_words": Instruction(keywords.forbidden_words, keywords.Forbidden),
    "keywords:letter_frequency": Instruction(keywords.letter_frequency, keywords.Letters),
    "language:response_language": Instruction(languages.response_language, languages.Language),
    "length_constraints:number_words": Instruction(lengths.number_words, lengths.Words),
    "length_constraints:number_sentences": Instruction(lengths.number_sentences, lengths.Sentences),
    "length_constraints:number_paragraphs": Instruction(lengths.number_paragraphs, lengths.Paragraphs),
    "length_constraints:number_letters": Instruction(lengths.number_letters, lengths.Characters),
    "length_constraints:nth_paragraph_first_word": Instruction(lengths.first_word, lengths.FirstWord),
    "detectable_content:number_placeholders": Instruction(contents.placeholders, contents.Placeholders),
    "detectable_content:postscript": Instruction(contents.postscript, contents.Postscript),
    "detectable_content:no_digits": Instruction(contents.no_digits),
    "detectable_content:informal_address": Instruction(contents.informal_address, language="fr"),
    "detectable_format:number_bullet_lists": Instruction(formats.bullets, formats.Bullets),
    "detectable_format:number_numbered_lists": Instruction(formats.numbered_items, formats.Items),
    "detectable_format:number_highlighted_sections": Instruction(formats.highlights, formats.Highlights),
    "detectable_format:multiple_sections": Instruction(formats.sections, formats.Sections),
    "detectable_format:json_format": Instruction(formats.json_format),
    "detectable_format:title": Instruction(formats.title),
    "detectable_format:constrained_response": Instruction(formats.constrained_response, formats.Answers),
    "detectable_format:nominal_ending": Instruction(formats.nominal_endings, formats.Endings, language="ja"),
    "combination:two_responses": Instruction(whole.two_responses),
    "combination:repeat_prompt": Instruction(whole.repeat_prompt, whole.Repeat),
    "startend:start_phrase": Instruction(whole.start_phrase, whole.Start),
    "startend:end_checker": Instruction(whole.end_phrase, whole.End),
    "startend:quotation": Instruction(whole.quotation),
    "startend:sentence_unified_end": Instruction(whole.unified_end, whole.Ending, language="ja"),
    "change_case:capital_word_frequency": Instruction(cases.capital_words, cases.CapitalWords),
    "change_case:english_capital": Instruction(cases.all_capitals, language="en"),
    "change_case:english_lowercase": Instruction(cases.all_lowercase, language="en"),
    "change_case:spanish_capital": Instruction(cases.all_capitals, language="es"),
    "change_case:spanish_lowercase": Instruction(cases.all_lowercase, language="es"),
    "change_case:french_capital": Instruction(cases.all_capitals, language="fr"),
    "change_case:french_lowercase": Instruction(cases.all_lowercase, language="fr"),
    "punctuation:no_comma": Instruction(characters.no_comma),
    "punctuation:no_period": Instruction(characters.no_period, language="ja"),
    "punctuation:question_marks": Instruction(characters.question_marks, language="es"),
    "punctuation:exclamation_marks": Instruction(characters.exclamation_marks, language="es"),
    "special_character:tildes": Instruction(characters.tildes, characters.Accented, language="es"),
    "special_character:enie": Instruction(characters.enie, characters.Lettered, language="es"),
    "special_character:dieresis": Instruction(characters.dieresis, characters.Lettered, language="es"),
    "special_character:ethel_or_cedilla": Instruction(characters.no_character, characters.Forbidden),
    "special_character:no_accents": Instruction(characters.no_accents),
    "special_character:accents": Instruction(characters.accents, characters.Spelled),
    "letters:furigana": Instruction(characters.furigana, language="ja"),
    "letters:kanji": Instruction(characters.kanji, characters.Limit, language="ja"),
    "letters:kansuuji": Instruction(contents.no_digits, language="ja"),
    "letters:no_hiragana": Instruction(characters.no_hiragana, language="ja"),
    "letters:no_katakana": Instruction(characters.no_katakana, language="ja"),
    "letters:hiragana_only": Instruction(characters.hiragana_only, language="ja"),
    "letters:katakana_only": Instruction(characters.katakana_only, language="ja"),
}


def instruction_named(name: str) -> tuple[Instruction, str]:
    """The building block and the language that a name means. Raises RefusedError."""
    prefix, _, rest = name.partition(":")
    bare, language = (rest, prefix) if prefix in LANGUAGES else (name, None)
    found = INSTRUCTIONS.get(bare)
    if found is None:
        raise RefusedError("instruction", f"there is no building block {name!r}")
    return found, found.language or language or "en"


def instruction_look(name: str, arguments: dict[str, Any]) -> Look:
    """The look of a building block with its arguments. Raises RefusedError that names the argument."""
    instruction, language = instruction_named(name)
    return instruction.build(read_arguments(arguments, instruction.arguments), language=language)
