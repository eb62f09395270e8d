"""JSON schemas from requests: compiled without fetching, and refused where they could run for ever."""

import json
from dataclasses import dataclass, field

import jsonschema_rs

SCHEMA_LIMIT_BYTES = 256_000
DEPTH_LIMIT = 64
# Evaluations of sub-schemas by one answer: its nodes times those of one place. `allOf: [$ref, $ref]`
# doubles the latter at every level: 30 levels of it take 15 seconds (measured), 60 of them centuries.
WORK_LIMIT = 5_000_000

_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE = ("not", "if", "then", "else")
_IN_PLACE_MAPS = ("dependentSchemas", "dependencies")
_CHILDREN = (
    "additionalProperties",
    "additionalItems",
    "items",
    "contains",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
)
_CHILD_MAPS = ("properties", "patternProperties")
_UNSUPPORTED = ("$dynamicRef", "$recursiveRef")


class SchemaError(ValueError):
    """The schema cannot be judged against: malformed, remote, too large or possibly endless."""


@dataclass(frozen=True, slots=True)
class Validator:
    """A compiled schema, and the schema itself to bound what a value may cost."""

    schema: object
    compiled: jsonschema_rs.Validator
    is_backtracking: bool = False
    costs: dict[int, int] = field(default_factory=dict)

    def violation(self, value: object) -> str | None:
        """Where and by which keyword the value breaks the schema; null where it does not.

        Raises SchemaError where this schema on a value of this depth could take unbounded time. The
        finding names places of the schema only, never content of the answer.
        """
        depth, nodes = _extent(value)
        if depth not in self.costs:
            self.costs[depth] = _evaluations(self.schema, depth=depth)
        if self.costs[depth] * nodes * (100 if self.is_backtracking else 1) > WORK_LIMIT:
            raise SchemaError("the schema multiplies")
        try:
            self.compiled.validate(value)
        except jsonschema_rs.ValidationError as error:
            # The backtracking engine reports a pattern that it gave up on as one that does not match.
            if (
                self.is_backtracking
                and error.schema_path[-1:] == ["pattern"]
                and len(str(error.instance)) > 200
            ):
                raise SchemaError("a pattern too hard to tell") from None
            return "violates " + "/".join(str(step) for step in error.schema_path)
        return None


def compile_schema(raw: bytes) -> Validator:
    """Compile the JSON text of a schema; raises SchemaError.

    Patterns run on the linear engine, or, where they look around or back (those of decimals in common
    libraries do), on the backtracking one with a bound.
    """
    if not raw or len(raw) > SCHEMA_LIMIT_BYTES:
        raise SchemaError(f"{len(raw)} bytes")
    try:
        schema = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise SchemaError(type(error).__name__) from None
    if not isinstance(schema, dict) or _extent(schema)[0] > DEPTH_LIMIT * 2:
        raise SchemaError("no object, or nested too deep")
    try:
        compiled = _compiled(schema, patterns=jsonschema_rs.RegexOptions())
        return Validator(schema=schema, compiled=compiled)
    except jsonschema_rs.ValidationError:
        pass
    try:
        compiled = _compiled(schema, patterns=jsonschema_rs.FancyRegexOptions(backtrack_limit=50_000))
        return Validator(schema=schema, compiled=compiled, is_backtracking=True)
    except jsonschema_rs.ValidationError as error:
        raise SchemaError(error.message[:100]) from None


def _compiled(
    schema: dict[str, object], *, patterns: jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions
) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(schema, offline=True, validate_formats=False, pattern_options=patterns)


def _extent(value: object) -> tuple[int, int]:
    """Levels of nesting (counted a little past the limit) and nodes of a value, without recursion."""
    deepest, nodes, level = 0, 0, [value]
    while level and deepest <= DEPTH_LIMIT * 2:
        nodes += len(level)
        level = [inner for item in level for inner in (_values(item) or _items(item))]
        deepest += bool(level)
    return deepest, nodes


def _evaluations(schema: object, *, depth: int) -> int:
    """An upper bound of how often one place of a value, `depth` levels deep, is evaluated.

    Applicators of the same place add up; those of different children count by the largest of a group,
    as a child is matched by one of them at a time.
    """
    if depth > DEPTH_LIMIT:
        return WORK_LIMIT + 1
    memo: dict[tuple[int, int], int] = {}

    def visits(node: object, level: int) -> int:
        if not isinstance(node, dict):
            return 1
        key = (id(node), level)
        if key not in memo:
            memo[key] = 0  # a reference back to the same place adds nothing: the validator stops there
            # A value is compared with every member of `enum`, a key with every pattern.
            total = 1 + len(_items(node.get("enum"))) + len(_values(node.get("patternProperties")))
            total += sum(visits(part, level) for part in _in_place(node, root=schema))
            if level > 0:
                total += sum(max(visits(part, level - 1) for part in group) for group in _below(node))
            memo[key] = min(total, WORK_LIMIT + 1)
        return memo[key]

    try:
        return visits(schema, depth)
    except RecursionError:
        raise SchemaError("references nest too deep") from None


def _in_place(node: dict[str, object], *, root: object) -> list[object]:
    """The sub-schemas that judge the same place as their parent."""
    if any(keyword in node for keyword in _UNSUPPORTED):
        raise SchemaError("dynamic references")
    parts: list[object] = [node[keyword] for keyword in _IN_PLACE if keyword in node]
    for keyword in _IN_PLACE_LISTS:
        parts.extend(_items(node.get(keyword)))
    for keyword in _IN_PLACE_MAPS:
        parts.extend(_values(node.get(keyword)))
    if isinstance(reference := node.get("$ref"), str):
        parts.append(_resolve(reference, root=root))
    return parts


def _below(node: dict[str, object]) -> list[list[object]]:
    """The groups of sub-schemas that judge children; of a group, one applies to a child."""
    groups = [[node[keyword]] for keyword in _CHILDREN if isinstance(node.get(keyword), dict)]
    groups += [values for keyword in _CHILD_MAPS if (values := _values(node.get(keyword)))]
    groups += [items for keyword in ("items", "prefixItems") if (items := _items(node.get(keyword)))]
    return groups


def _resolve(reference: str, *, root: object) -> object:
    if reference != "#" and not reference.startswith("#/"):
        raise SchemaError("a reference out of the schema")
    place = root
    for step in reference[2:].split("/") if len(reference) > 1 else []:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and name in place:
            place = place[name]
        elif isinstance(place, list) and name.isdigit() and int(name) < len(place):
            place = place[int(name)]
        else:
            raise SchemaError("a reference to nothing")
    return place


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _values(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else []
