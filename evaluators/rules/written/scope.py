"""Which calls a written rule is for, and the columns of a call that say so."""

from collections.abc import Sequence

import msgspec
import polars as pl

from evaluators.rules.written.arguments import Keyword
from evaluators.rules.written.keywords import escaped

# Read for written rules only; the shipped ones do not know where a call comes from.
SCOPE_SCHEMA: dict[str, pl.DataType] = {
    "provider": pl.String(),
    "requested_model": pl.String(),
    "served_model": pl.String(),
    "project": pl.String(),
    "environment": pl.String(),
    "prompt_name": pl.String(),
    "prompt_version": pl.String(),
}


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Names, or patterns with * and ?, of which a call must have one; an empty list takes every call."""

    models: tuple[Keyword, ...] = ()
    prompts: tuple[Keyword, ...] = ()
    projects: tuple[Keyword, ...] = ()

    @property
    def requires(self) -> frozenset[str]:
        """The columns it reads."""
        return frozenset(column for column, names in self._columns() if names)

    def holds(self) -> pl.Expr:
        """Boolean, never null: a call without a name is in no list of names."""
        conditions = [
            pl.col(column).str.contains(_pattern(names)).fill_null(value=False)
            for column, names in self._columns()
            if names
        ]
        return pl.all_horizontal(pl.lit(value=True), *conditions)

    def _columns(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return (
            ("requested_model", self.models),
            ("prompt_name", self.prompts),
            ("project", self.projects),
        )


def with_scope(prepared: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    """The prepared frame with the scope's columns of the calls; null where they were not read."""
    return prepared.with_columns(
        calls[name].cast(dtype) if name in calls.columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in SCOPE_SCHEMA.items()
    )


def _pattern(names: Sequence[str]) -> str:
    shapes = (escaped(name).replace(r"\*", ".*").replace(r"\?", ".") for name in names)
    return rf"(?s)\A(?:{'|'.join(shapes)})\z"
