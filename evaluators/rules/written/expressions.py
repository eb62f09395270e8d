"""A small language for conditions over calls: `length(output) > 2000 and not contains(output, "Sources")`.

Read by Python's own parser and never run by it: each node is checked and becomes a polars expression. What is
not listed here is refused, so there are no attributes, no names but the fields, no functions but these, and
nothing that makes a text longer.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as made_by
from typing import Literal

import polars as pl

from evaluators.rules.json_text import TooDeepError, parse_json
from evaluators.rules.written.looks import TOO_SLOW, UNSCORED, Clock, Derived, RefusedError
from evaluators.rules.written.patterns import Pattern, compile_pattern
from evaluators.rules.written.words import lines, paragraphs, sentences, words

Kind = Literal["text", "number", "boolean"]

# Field → column, kind.
FIELDS: dict[str, tuple[str, Kind]] = {
    "output": ("output_text", "text"),
    "input": ("input_text", "text"),
    "system": ("system_text", "text"),
    "model": ("requested_model", "text"),
    "served_model": ("served_model", "text"),
    "provider": ("provider", "text"),
    "project": ("project", "text"),
    "environment": ("environment", "text"),
    "prompt": ("prompt_name", "text"),
    "prompt_version": ("prompt_version", "text"),
    "endpoint": ("endpoint", "text"),
    "status": ("status", "text"),
    "finish_reason": ("finish_reason", "text"),
    "error_type": ("error_type", "text"),
    "http_status": ("http_status", "number"),
    "latency_ms": ("latency_ms", "number"),
    "ttft_ms": ("ttft_ms", "number"),
    "is_streamed": ("is_streamed", "boolean"),
}
_MEASURES: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "length": lambda text: text.str.len_chars(),
    "words": words,
    "sentences": sentences,
    "paragraphs": paragraphs,
    "lines": lines,
}
_SHAPES: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "lower": lambda text: text.str.to_lowercase(),
    "upper": lambda text: text.str.to_uppercase(),
    "strip": lambda text: text.str.strip_chars(),
}
_PARTS: dict[str, Callable[[pl.Expr, str], pl.Expr]] = {
    "contains": lambda text, part: text.str.contains(part, literal=True),
    "starts_with": lambda text, part: text.str.starts_with(part),
    "ends_with": lambda text, part: text.str.ends_with(part),
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ast.Eq: lambda one, other: one == other,
    ast.NotEq: lambda one, other: one != other,
    ast.Lt: lambda one, other: one < other,
    ast.LtE: lambda one, other: one <= other,
    ast.Gt: lambda one, other: one > other,
    ast.GtE: lambda one, other: one >= other,
}
_SUMS: dict[type[ast.operator], Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ast.Add: lambda one, other: one + other,
    ast.Sub: lambda one, other: one - other,
    ast.Mult: lambda one, other: one * other,
    ast.Div: lambda one, other: one / other,
}
MOST_NODES = 200
FUNCTIONS = (*_MEASURES, *_SHAPES, *_PARTS, "matches", "count", "is_missing", "is_json")


@dataclass(frozen=True, slots=True)
class Compiled:
    """A Boolean expression (null where a field it needs is missing), and the columns that it reads."""

    expression: pl.Expr
    derived: tuple[Derived, ...]
    requires: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Value:
    expression: pl.Expr
    kind: Kind


def compile_expression(text: str, *, field: str, prefix: str = "e") -> Compiled:
    """Compile a condition; `prefix` keeps the columns of two of them apart. Raises RefusedError."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise RefusedError(field, f"not an expression: {reason}") from None
    n_nodes = sum(1 for _ in ast.walk(tree))
    if n_nodes > MOST_NODES:
        raise RefusedError(field, f"too large: {n_nodes} parts, {MOST_NODES} at most")
    compiler = _Compiler(field, prefix)
    value = compiler.compile(tree.body)
    if value.kind != "boolean":
        raise RefusedError(field, f"must be true or false, and is a {value.kind}")
    return Compiled(value.expression, tuple(compiler.derived), frozenset(compiler.columns))


@dataclass(slots=True)
class _Compiler:
    field: str
    prefix: str
    derived: list[Derived] = made_by(default_factory=list[Derived])
    columns: set[str] = made_by(default_factory=set[str])

    def compile(self, node: ast.expr) -> _Value:
        match node:
            case ast.Constant():
                return self._literal(node)
            case ast.Name(id=name):
                return self._field(name, node)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments, node)
            case ast.Compare():
                return self._compare(node)
            case ast.BoolOp() | ast.UnaryOp() | ast.BinOp():
                return self._operation(node)
            case _:
                raise self._refusal(f"{ast.unparse(node)[:60]!r} is not part of the language", node)

    def _literal(self, node: ast.Constant) -> _Value:
        match node.value:
            case bool(value):
                return _Value(pl.lit(value), "boolean")
            case int(value) | float(value) if abs(value) <= 1e15:
                return _Value(pl.lit(value), "number")
            case str(value):
                return _Value(pl.lit(value), "text")
            case _:
                raise self._refusal("a constant is a text, a number up to 1e15, True or False", node)

    def _operation(self, node: ast.BoolOp | ast.UnaryOp | ast.BinOp) -> _Value:
        match node:
            case ast.BoolOp(op=op, values=values):
                parts = [self._want(each, "boolean") for each in values]
                combine = pl.all_horizontal if isinstance(op, ast.And) else pl.any_horizontal
                return _Value(combine(parts), "boolean")
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return _Value(~self._want(operand, "boolean"), "boolean")
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _Value(-self._want(operand, "number"), "number")
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _SUMS:
                sides = self._want(left, "number"), self._want(right, "number")
                return _Value(_SUMS[type(op)](*sides), "number")
            case _:
                raise self._refusal("only and, or, not, +, -, * and / connect", node)

    def _compare(self, node: ast.Compare) -> _Value:
        sides = [node.left, *node.comparators]
        parts = [
            self._one_comparison(left, op, right)
            for left, op, right in zip(sides, node.ops, sides[1:], strict=False)
        ]
        return _Value(pl.all_horizontal(parts), "boolean")

    def _one_comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pl.Expr:
        if isinstance(op, ast.In | ast.NotIn):
            found = self._is_in(left, right)
            return found if isinstance(op, ast.In) else ~found
        if type(op) not in _COMPARISONS:
            raise self._refusal("only ==, !=, <, <=, >, >= and in compare", left)
        one, other = self.compile(left), self.compile(right)
        if one.kind != other.kind:
            raise self._refusal(f"a {one.kind} is compared with a {other.kind}", left)
        return _COMPARISONS[type(op)](one.expression, other.expression)

    def _is_in(self, left: ast.expr, right: ast.expr) -> pl.Expr:
        if isinstance(right, ast.Tuple | ast.List):
            value = self.compile(left)
            options = [self.compile(each) for each in right.elts if isinstance(each, ast.Constant)]
            if len(options) < len(right.elts) or any(each.kind != value.kind for each in options):
                raise self._refusal(f"the list behind in must hold constants of the kind {value.kind}", right)
            return pl.any_horizontal(
                pl.lit(value=False), *(value.expression == each.expression for each in options)
            )
        return self._want(right, "text").str.contains(self._constant(left), literal=True)

    def _call(self, name: str, arguments: list[ast.expr], node: ast.expr) -> _Value:
        n_wanted = 2 if name in _PARTS or name in ("matches", "count") else 1
        if name in FUNCTIONS and len(arguments) != n_wanted:
            raise self._refusal(f"{name} takes {n_wanted} argument{'s' * (n_wanted > 1)}", node)
        if name in _MEASURES:
            # Counts are unsigned in polars, and a difference of two must not wrap around.
            return _Value(_MEASURES[name](self._want(arguments[0], "text")).cast(pl.Int64), "number")
        if name in _SHAPES:
            return _Value(_SHAPES[name](self._want(arguments[0], "text")), "text")
        if name in _PARTS:
            part = self._constant(arguments[1])
            return _Value(_PARTS[name](self._want(arguments[0], "text"), part), "boolean")
        if name in ("matches", "count"):
            return self._pattern(name, arguments)
        if name == "is_missing":
            return _Value(self.compile(arguments[0]).expression.is_null(), "boolean")
        if name == "is_json":
            return self._derive(self._want(arguments[0], "text"), _is_json, kind="boolean")
        raise self._refusal(f"there is no function {name!r}; there are {', '.join(FUNCTIONS)}", node)

    def _pattern(self, name: str, arguments: list[ast.expr]) -> _Value:
        pattern = compile_pattern(self._constant(arguments[1]), field=self.field)
        text = self._want(arguments[0], "text")
        if name == "count":
            return self._derive(text, lambda texts, clock: _counts(pattern, texts, clock), kind="number")
        return self._derive(text, lambda texts, clock: _matches(pattern, texts, clock), kind="boolean")

    def _derive(self, text: pl.Expr, run: Callable[[pl.Series, Clock], pl.Series], *, kind: Kind) -> _Value:
        """A column that Python works out from a text, by way of a String that may say `too_slow`."""
        name = f"{self.prefix}{len(self.derived)}"

        def of_frame(frame: pl.DataFrame, clock: Clock) -> pl.Series:
            return run(frame.select(text.alias(name)).to_series(), clock)

        self.derived.append(Derived(name, of_frame))
        column = pl.col(name)
        if kind == "number":
            return _Value(column.cast(pl.Int64, strict=False), "number")
        return _Value(column == "true", "boolean")

    def _field(self, name: str, node: ast.expr) -> _Value:
        if name not in FIELDS:
            raise self._refusal(f"there is no field {name!r}; there are {', '.join(FIELDS)}", node)
        column, kind = FIELDS[name]
        self.columns.add(column)
        return _Value(pl.col(column), kind)

    def _constant(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
            return node.value
        raise self._refusal("a text in quotes is wanted here", node)

    def _want(self, node: ast.expr, kind: Kind) -> pl.Expr:
        value = self.compile(node)
        if value.kind != kind:
            raise self._refusal(f"a {kind} is wanted here, not a {value.kind}", node)
        return value.expression

    def _refusal(self, reason: str, node: ast.expr) -> RefusedError:
        return RefusedError(self.field, f"at character {node.col_offset + 1}: {reason}")


def _matches(pattern: Pattern, texts: pl.Series, clock: Clock) -> pl.Series:
    found = [
        each if text is None or isinstance(each, str) else str(each is not None).lower()
        for text, each in zip(texts, pattern.spans(texts, clock=clock), strict=True)
    ]
    return pl.Series("found", found, dtype=pl.String)


def _counts(pattern: Pattern, texts: pl.Series, clock: Clock) -> pl.Series:
    found = [
        None if text is None else UNSCORED + TOO_SLOW if count is None else str(count)
        for text, count in zip(texts, pattern.counts(texts, clock=clock), strict=True)
    ]
    return pl.Series("found", found, dtype=pl.String)


def _is_json(texts: pl.Series, clock: Clock) -> pl.Series:
    found = [
        None if text is None else UNSCORED + TOO_SLOW if clock.is_over else _parses(text) for text in texts
    ]
    return pl.Series("found", found, dtype=pl.String)


def _parses(text: str) -> str | None:
    try:
        return str(parse_json(text).problem is None).lower()
    except TooDeepError:
        return None
