"""Conditions that people write: what they mean, and what they may not say."""

from collections.abc import Callable

import polars as pl
import pytest

from evaluators.rules.prepare import prepare
from evaluators.rules.written.expressions import compile_expression
from evaluators.rules.written.looks import Clock, Look, RefusedError
from evaluators.rules.written.scope import with_scope

ANSWER = "Paris is the capital.\n\nIt lies on the Seine. SOURCES: none"


@pytest.fixture
def value(frame_of: Callable[..., pl.DataFrame]) -> Callable[[str], bool | None]:
    """The value of an expression for one call."""

    def evaluate(text: str) -> bool | None:
        calls = frame_of({"output_text": ANSWER, "input_text": None, "latency_ms": 900.0}).with_columns(
            requested_model=pl.lit("gpt-4o-mini"), project=pl.lit("shop")
        )
        frame = with_scope(prepare(calls), calls).with_columns(text=pl.col("output_text"))
        compiled = compile_expression(text, field="expression")
        shown = pl.when(compiled.expression).then(pl.lit("yes")).when(~compiled.expression).then(pl.lit("no"))
        found = Look(shown, compiled.derived).over(frame, clock=Clock.of(60))[0]
        return None if found is None else found == "yes"

    return evaluate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("length(output) > 20 and not contains(output, 'Rome')", True),
        ("contains(lower(output), 'sources:')", True),
        ("contains(output, 'sources:')", False),
        ("words(output) == 11", True),
        ("sentences(output) >= 2", True),
        ("paragraphs(output) == 2", True),
        ("lines(output) == 2", True),
        ("starts_with(output, 'Paris') and ends_with(strip(output), 'none')", True),
        ("matches(output, '(?i)seine|thames')", True),
        ("matches(output, '^Rome')", False),
        ("count(output, 'is|on') == 4", True),
        ("model in ['gpt-4o', 'gpt-4o-mini'] and project != 'demo'", True),
        ("model not in ('gpt-4o',)", True),
        ("'Seine' in output", True),
        ("'Tiber' not in output", True),
        ("100 < latency_ms <= 900", True),
        ("latency_ms / 2 + 50 * 1 - -1 > 500", True),
        ("words(output) - 20 < 0", True),
        ("length(output) * 4 > 4 * length(upper(output))", False),
        ("is_missing(input)", True),
        ("is_json(output)", False),
        ("is_streamed", False),
        ("not is_streamed or length(output) > 1", True),
        ("length(input) > 5", None),
        ("length(input) > 5 or contains(output, 'Paris')", True),
        ("length(input) > 5 and contains(output, 'Rome')", False),
        ("matches(input, 'x')", None),
        ("count(input, 'x') > 0", None),
        ("True", True),
    ],
)
def test_an_expression_means_what_it_says(
    text: str, expected: bool | None, value: Callable[[str], bool | None]
) -> None:
    assert value(text) is expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not an expression"),
        ("length(output) >", "not an expression"),
        ("import os", "not an expression"),
        ("x := 1", "not an expression"),
        ("__import__('os').system('id')", "not part of the language"),
        ("output.__class__", "not part of the language"),
        ("output[0] == 'a'", "not part of the language"),
        ("[x for x in output]", "not part of the language"),
        ("(lambda: True)()", "not part of the language"),
        ("f'{output}' == 'a'", "not part of the language"),
        ("output if True else input", "not part of the language"),
        ("contains(text=output, part='a')", "not part of the language"),
        ("contains(*output)", "takes 2 arguments"),
        ("eval('1')", "no function 'eval'"),
        ("secret == 'a'", "no field 'secret'"),
        ("output * 1000 == 'a'", "a number is wanted here, not a text"),
        ("output + output == 'a'", "a number is wanted here, not a text"),
        ("length(output) ** 9 > 1", "only and, or, not"),
        ("output % 'a' == 'b'", "only and, or, not"),
        ("~is_streamed", "only and, or, not"),
        ("output is None", "only ==, !="),
        ("None == output", "a constant is"),
        ("b'a' == output", "a constant is"),
        ("1e400 > latency_ms", "a constant is"),
        ("output > 3", "a text is compared with a number"),
        ("length(output)", "must be true or false, and is a number"),
        ("output", "must be true or false, and is a text"),
        ("model in [project]", "must hold constants"),
        ("model in [1]", "must hold constants"),
        ("matches(output, input)", "a text in quotes"),
        ("matches(output, '(a')", "not RE2"),
        (r"matches(output, '(a)\\1')", "not RE2"),
        ("contains(output)", "contains takes 2 arguments"),
        ("length(output, output) > 1", "length takes 1 argument"),
        (" and ".join(["is_streamed"] * 201), "too large"),
        ("not " * 900 + "is_streamed", ""),
        ("(" * 900 + "is_streamed" + ")" * 900, "not an expression"),
        ("-" * 1_900 + "1 > 0", ""),
        ("is_streamed\x00", "not an expression"),
    ],
)
def test_what_is_not_of_the_language_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(RefusedError) as refused:
        compile_expression(text, field="expression")
    assert refused.value.field == "expression"
    assert reason in refused.value.reason
    assert "\n" not in str(refused.value)
