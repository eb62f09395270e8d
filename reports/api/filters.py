"""Filters of a question, as conditions of SQL and their values: what a client says is never SQL."""

from dataclasses import dataclass, field
from typing import Annotated, Any, LiteralString

from litestar.connection import ASGIConnection
from litestar.exceptions import ClientException
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import Operation, Parameter
from litestar.params import QueryParameter
from psycopg.sql import SQL, Composed

LONGEST = 500
"""Characters of a filter: longer names are clipped when they land, so none can fit."""

Model = Annotated[
    str | None, QueryParameter(description="Only this model, as it was asked for.", max_length=LONGEST)
]
Project = Annotated[
    str | None,
    QueryParameter(description="Only this project; `(none)` for calls of none.", max_length=LONGEST),
]
Evaluator = Annotated[str | None, QueryParameter(description="Only this evaluator.", max_length=LONGEST)]
EvaluatorVersion = Annotated[
    str | None, QueryParameter(description="Only this version of it.", max_length=LONGEST)
]


@dataclass(frozen=True, slots=True)
class Question:
    """The conditions that a client's filters make, joined by `and`, with their values by name."""

    conditions: list[SQL] = field(default_factory=list[SQL])
    values: dict[str, Any] = field(default_factory=dict[str, Any])

    def where(self, condition: LiteralString, **values: Any) -> "Question":
        """Add a condition whose placeholders are `values`; one that asks for nothing (None) is left out."""
        if any(value is not None for value in values.values()):
            self.conditions.append(SQL(condition))
            self.values.update(values)
        return self

    def all(self) -> Composed:
        """Every condition, as what follows `where`."""
        return SQL(" and ").join(self.conditions or [SQL("true")])


def refuse_unknown(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Raise ClientException for a parameter that the path does not have, or that is given twice.

    A filter with a typing error would else be none, and the answer one to another question.
    """
    declared = _parameters(connection)
    names = [name for name, _ in connection.query_params.multi_items()]
    for name in dict.fromkeys(names):
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            raise ClientException(f"{name[:80]}: there is no such parameter here; there are {known}")
        if names.count(name) > 1 and not declared[name]:
            raise ClientException(f"{name}: given {names.count(name)} times, and one counts")


def _parameters(connection: ASGIConnection[Any, Any, Any, Any]) -> dict[str, bool]:
    """The query parameters that the path's OpenAPI has, and whether one may be repeated."""
    paths = connection.app.openapi_schema.paths or {}
    item = paths.get(connection.scope["path_template"])
    operation: Operation | None = getattr(item, str(connection.scope.get("method", "GET")).lower(), None)
    parameters = (operation.parameters if operation is not None else None) or ()
    return {
        parameter.name: parameter.schema is not None and _is_list(parameter.schema.to_schema())
        for parameter in parameters
        if isinstance(parameter, Parameter) and parameter.param_in == "query"
    }


def _is_list(schema: dict[str, Any]) -> bool:
    return any("items" in kind for kind in (schema, *schema.get("oneOf", ())))
