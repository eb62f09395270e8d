"""A definition made into a rule that runs beside the shipped ones."""

from typing import Any

import msgspec
import polars as pl

from evaluators.rules.base import NOT_APPLICABLE, NOT_EVALUABLE, Rule, outcome
from evaluators.rules.json_text import TooDeepError, parse_json
from evaluators.rules.schemas import SchemaError, compile_schema
from evaluators.rules.written.definition import Definition, Length, Regex, definition_text, read_definition
from evaluators.rules.written.expressions import Compiled, compile_expression
from evaluators.rules.written.instructions import instruction_look, instruction_named
from evaluators.rules.written.looks import (
    TEXT,
    UNSCORED,
    Clock,
    Derived,
    Look,
    RefusedError,
    by_call,
    not_evaluable,
    unless_counted,
)
from evaluators.rules.written.patterns import Pattern, compile_pattern
from evaluators.rules.written.scope import SCOPE_SCHEMA
from evaluators.rules.written.words import lines, paragraphs, sentences, words

# Raised by hand when this module gives other verdicts: it is part of every written rule's identity, which
# otherwise covers the definition and the code of its own building block.
WIRING = "1"

# A frame has at most 10,000 calls (evaluators.rules.score): 2 ms for each, where a rule takes a few µs.
TIME_LIMIT_SECONDS = 20.0

DEFINITION = "definition"
_TEXT_COLUMNS = {"output": "output_text", "input": "input_text", "system": "system_text"}
# Columns of `prepare` and what it makes them from, where the two differ.
_MADE_FROM = {"system_text": "request"}


def written_rule(definition: Definition, *, time_limit: float = TIME_LIMIT_SECONDS) -> Rule:
    """The rule. Raises RefusedError that names the field.

    Unscored: calls out of its scope or for which `when` is false (not_applicable); a text that was not kept,
    or a field that the call lacks (not_evaluable); what is left when the time limit (seconds for a frame) is
    reached, and texts that a pattern would take too long for (too_slow). Evidence holds measures and places,
    and words of the rule, never the text of a call.
    """
    look = _look(definition)
    when = None if definition.when is None else compile_expression(definition.when, field="when", prefix="w")
    text_column = _text_column(definition)
    columns = look.requires | definition.scope.requires | (when.requires if when else frozenset[str]())
    columns |= {text_column} if text_column else frozenset[str]()

    def check(frame: pl.DataFrame) -> pl.DataFrame:
        frame = _complete(frame)
        clock = Clock.of(time_limit)
        reasons = _reasons(frame, definition=definition, columns=columns, text_column=text_column)
        applies = _applies(frame, when=when, reasons=reasons, clock=clock)
        reasons = reasons.zip_with(reasons.is_not_null() | applies.is_null(), applies)
        found = _findings(frame, look=look, reasons=reasons, text_column=text_column, clock=clock)
        marked = found.str.starts_with(UNSCORED).fill_null(value=False)
        reasons = found.str.strip_prefix(UNSCORED).zip_with(marked, reasons)
        return outcome(frame.with_columns(reason=reasons), unscored=pl.col("reason"), evidence=found)

    # A rule is hashed with the source of the module its check is said to stand in.
    check.__module__ = _module(definition)
    return Rule(
        name=definition.id,
        version=definition.version,
        severity=definition.severity,
        description=definition.description or f"Written: {definition.kind}.",
        requires=tuple(sorted({_MADE_FROM.get(column, column) for column in columns})),
        check=check,
        config=((DEFINITION, definition_text(definition)), ("wiring", WIRING)),
    )


def definition_of(rule: Rule) -> str | None:
    """The JSON text of a written rule, by which another process can make it again; None for a shipped one."""
    text = dict(rule.config).get(DEFINITION)
    return text if isinstance(text, str) else None


def rule_of(text: str) -> Rule:
    """The rule of a JSON text that `definition_of` gave. Raises RefusedError."""
    return written_rule(read_definition(msgspec.json.decode(text)))


def _look(definition: Definition) -> Look:
    if definition.regex is not None:
        return _regex_look(definition.regex)
    if definition.expression is not None:
        compiled = compile_expression(definition.expression, field="expression")
        evidence = pl.lit("true: " + " ".join(definition.expression.split()))
        unknown = pl.when(compiled.expression.is_null()).then(pl.lit(not_evaluable()))
        found = pl.when(compiled.expression).then(evidence).otherwise(unknown)
        return Look(found, compiled.derived, compiled.requires)
    if definition.json_schema is not None:
        return _schema_look(definition.json_schema)
    if definition.length is not None:
        return _length_look(definition.length)
    if definition.latency is not None:
        return _latency_look(definition.latency.max_ms, definition.latency.max_ttft_ms)
    return instruction_look(definition.instruction or "", definition.arguments or {})


def _regex_look(regex: Regex) -> Look:
    pattern = compile_pattern(regex.pattern, field="regex.pattern")

    def run(frame: pl.DataFrame, clock: Clock) -> pl.Series:
        spans = pattern.spans(frame[TEXT], clock=clock)
        found = [each if isinstance(each, str) else _place(each, regex=regex) for each in spans]
        return pl.Series("match", found, dtype=pl.String)

    return Look(pl.col("match"), (Derived("match", run),))


def _place(span: tuple[int, int] | None, *, regex: Regex) -> str | None:
    if regex.fails_if == "missing":
        return "no match" if span is None else None
    return None if span is None else f"{span[1] - span[0]} characters from character {span[0] + 1} on"


def _schema_look(schema: dict[str, Any]) -> Look:
    try:
        validator = compile_schema(msgspec.json.encode(schema))
    except SchemaError as error:
        raise RefusedError("json_schema", f"not a schema to judge by: {error}") from None

    def judge(text: str) -> str | None:
        try:
            parsed = parse_json(text)
            return "no JSON" if parsed.problem is not None else validator.violation(parsed.value)
        except (TooDeepError, SchemaError):
            return not_evaluable()

    found, derived = by_call(judge, TEXT)
    return Look(found, derived)


def _length_look(length: Length) -> Look:
    text = pl.col(TEXT)
    count = {
        "characters": text.str.len_chars(),
        "words": words(text),
        "sentences": sentences(text),
        "paragraphs": paragraphs(text),
        "lines": lines(text),
    }[length.unit]
    found = pl.lit(None, dtype=pl.String)
    if length.min is not None:
        found = unless_counted(count, relation="at least", n=length.min, what=length.unit).found
    if length.max is not None:
        most = unless_counted(count, relation="at most", n=length.max, what=length.unit).found
        found = pl.coalesce(found, most)
    return Look(found)


def _latency_look(max_ms: float | None, max_ttft_ms: float | None) -> Look:
    parts: list[pl.Expr] = []
    columns: set[str] = set()
    for column, limit, what in (
        ("latency_ms", max_ms, "in all"),
        ("ttft_ms", max_ttft_ms, "to the first token"),
    ):
        if limit is None:
            continue
        columns.add(column)
        taken = pl.col(column)
        shown = pl.format(f"{{}} ms {what}, more than {limit:g}", taken.round(0).cast(pl.Int64, strict=False))
        is_known = (taken.is_finite() & (taken >= 0)).fill_null(value=False)
        late = pl.when(is_known & (taken > limit)).then(shown)
        parts.append(late.when(~is_known).then(pl.lit(not_evaluable())))
    # A late first token is late, whatever is not known of the rest.
    real = [pl.when(~part.str.starts_with(UNSCORED)).then(part) for part in parts]
    return Look(pl.coalesce(*real, *parts), requires=frozenset(columns))


def _text_column(definition: Definition) -> str | None:
    """The column that `TEXT` means; None for a rule that names its fields itself."""
    if definition.regex is not None:
        return _TEXT_COLUMNS[definition.regex.field]
    if definition.length is not None:
        return _TEXT_COLUMNS[definition.length.field]
    is_of_answer = definition.json_schema is not None or definition.instruction is not None
    return "output_text" if is_of_answer else None


def _module(definition: Definition) -> str:
    if definition.instruction is not None:
        return instruction_named(definition.instruction)[0].module
    if definition.expression is not None:
        return compile_expression.__module__
    if definition.regex is not None:
        return Pattern.__module__
    return words.__module__ if definition.length is not None else Look.__module__


def _complete(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with every scope column, null where it was not read."""
    missing = {name: dtype for name, dtype in SCOPE_SCHEMA.items() if name not in frame.columns}
    return frame.with_columns(pl.lit(None, dtype=dtype).alias(name) for name, dtype in missing.items())


def _reasons(
    frame: pl.DataFrame, *, definition: Definition, columns: frozenset[str], text_column: str | None
) -> pl.Series:
    """Why a call is not even looked at; null where it is."""
    reason = pl.when(~definition.scope.holds()).then(pl.lit(NOT_APPLICABLE))
    parts: list[pl.Expr] = [reason]
    if "output_text" in columns:
        parts += [pl.col("text_gap"), pl.when(pl.col("answer").is_null()).then(pl.lit(NOT_APPLICABLE))]
    elif text_column is not None:
        parts.append(pl.when(pl.col(text_column).is_null()).then(pl.lit(NOT_EVALUABLE)))
    return frame.select(reason=pl.coalesce(parts)).to_series()


def _applies(frame: pl.DataFrame, *, when: Compiled | None, reasons: pl.Series, clock: Clock) -> pl.Series:
    """Why `when` keeps a call out; null where it does not."""
    if when is None:
        return pl.Series("reason", [None] * frame.height, dtype=pl.String)
    reason = (
        pl.when(when.expression.is_null())
        .then(pl.lit(UNSCORED + NOT_EVALUABLE))
        .when(~when.expression)
        .then(pl.lit(UNSCORED + NOT_APPLICABLE))
    )
    look = Look(reason, when.derived)
    found = _findings(frame, look=look, reasons=reasons, text_column=None, clock=clock)
    return found.str.strip_prefix(UNSCORED)


def _findings(
    frame: pl.DataFrame, *, look: Look, reasons: pl.Series, text_column: str | None, clock: Clock
) -> pl.Series:
    """What the look finds in the calls without a reason to leave them out; null for the others."""
    text = pl.col(text_column) if text_column else pl.lit(None, dtype=pl.String)
    picked = frame.with_columns(text.alias(TEXT)).filter(reasons.is_null())
    found = look.over(picked, clock=clock)
    if picked.height == frame.height:
        return found
    places = reasons.is_null().arg_true()
    return pl.Series("found", [None] * frame.height, dtype=pl.String).scatter(places, found)
