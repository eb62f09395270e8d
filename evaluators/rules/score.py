"""All rules over a frame of calls: one row a call."""

from collections.abc import Sequence

import polars as pl

from evaluators.rules.base import Rule
from evaluators.rules.catalogue import RULES
from evaluators.rules.prepare import prepare
from evaluators.rules.written.scope import with_scope

# Rows in hand at once: bounds memory at a few times the texts of so many calls.
CHUNK_ROWS = 10_000

SCORE_SCHEMA: dict[str, pl.DataType] = {
    "call_id": pl.String(),
    "started_at": pl.Datetime("us", "UTC"),
    "failed": pl.List(pl.String()),
    "unscored": pl.String(),
    "evidence": pl.String(),
}


def score_frame(frame: pl.DataFrame, *, rules: Sequence[Rule] = RULES) -> pl.DataFrame:
    """Judge every call by every rule, in frame order; a call's verdict depends on its own row alone.

    `frame` holds the columns of `evaluators.rules.prepare.INPUT_SCHEMA` and of `SCOPE_SCHEMA` of
    `evaluators.rules.written.scope`, of which any but `call_id` and `started_at` may be absent or null;
    columns it does not know are ignored. Returns `call_id`, `started_at`,
    `failed` (names, sorted), `unscored` (JSON object of rule → reason) and `evidence` (JSON object of rule →
    text, failed rules only). A rule in neither `failed` nor `unscored` passed.
    """
    if not rules:
        raise ValueError("no rules to score by")
    ordered = sorted(rules, key=lambda rule: rule.name)
    scored = [_score(chunk, rules=ordered) for chunk in frame.iter_slices(CHUNK_ROWS)]
    return pl.concat([pl.DataFrame(schema=SCORE_SCHEMA), *scored])


def _score(frame: pl.DataFrame, *, rules: Sequence[Rule]) -> pl.DataFrame:
    prepared = with_scope(prepare(frame), frame)
    names = [rule.name for rule in rules]
    outcomes = [rule.check(prepared).select(pl.all().name.suffix(f":{rule.name}")) for rule in rules]
    return pl.concat([prepared.select("call_id", "started_at"), *outcomes], how="horizontal").select(
        "call_id",
        "started_at",
        failed=pl.concat_list(
            pl.when(pl.col(f"failed:{name}")).then(pl.lit(name, dtype=pl.String)) for name in names
        ).list.drop_nulls(),
        unscored=_json_object([_reason(name) for name in names]),
        evidence=_json_object([_evidence(name) for name in names]),
    )


def _reason(name: str) -> pl.Expr:
    # Reasons are words of this package, which JSON takes as they are.
    return pl.format(f'"{name}":"{{}}"', pl.col(f"unscored_reason:{name}"))


def _evidence(name: str) -> pl.Expr:
    text = pl.col(f"evidence:{name}")
    member = pl.struct(text.alias(name)).struct.json_encode().str.slice(1).str.head(-1)
    return pl.when(text.is_not_null()).then(member)


def _json_object(members: Sequence[pl.Expr]) -> pl.Expr:
    """Members (null where left out) as the text of a JSON object."""
    return pl.concat_str(pl.lit("{"), pl.concat_str(members, separator=",", ignore_nulls=True), pl.lit("}"))
