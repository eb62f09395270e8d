"""SQL of rule scoring. Constants bind every relation to the window, so that only its months are read."""

from collections.abc import Iterable
from typing import LiteralString

import polars as pl

from evaluators.rules.base import Rule
from orchestration.rules.rule_runs import CALL_COLUMNS

# Read for every rule: they say whether a call has a text to judge.
_ALWAYS = ("endpoint", "status", "http_status", "finish_reason", "body_state")
_OF_BODIES: dict[str, LiteralString] = {
    "input_text": "bodies.input_text",
    "output_text": "bodies.output_text",
    "request": "bodies.request",
}
_OF_CALLS: dict[str, LiteralString] = {
    "endpoint": "calls.endpoint",
    "status": "calls.status",
    "http_status": "calls.http_status",
    "error_type": "calls.error_type",
    "finish_reason": "calls.finish_reason",
    "latency_ms": "calls.latency_ms",
    "ttft_ms": "calls.ttft_ms",
    "is_streamed": "calls.is_streamed",
    "body_state": "calls.body_state",
    "provider": "calls.provider",
    "requested_model": "calls.requested_model",
    "served_model": "calls.served_model",
    "project": "calls.project",
    "environment": "calls.environment",
    "prompt_name": "calls.prompt_name",
    "prompt_version": "calls.prompt_version",
}
_COLUMNS = _OF_CALLS | _OF_BODIES
assert set(CALL_COLUMNS) == {*_COLUMNS, "call_id", "started_at"}, (
    "the rules read a column that is not fetched"
)

_OF_PRODUCT: LiteralString = "calls.purpose in ('product', 'demo')"
_FROM: dict[str, LiteralString] = {
    "calls": "raw.llm_calls as calls",
    **{
        name: f"""evaluation.rule_results as {name}
inner join raw.llm_calls as calls
    on calls.started_at = {name}.started_at
    and calls.call_id = {name}.call_id
    and calls.started_at >= %(start)s
    and calls.started_at < %(end)s"""
        for name in ("previous", "results")
    },
}

_BODIES: LiteralString = """
left join raw.llm_bodies as bodies
    on bodies.started_at = calls.started_at
    and bodies.call_id = calls.call_id
    and bodies.started_at >= %(start)s
    and bodies.started_at < %(end)s
"""

_WITHOUT_RESULT: LiteralString = """
not exists (
    select from evaluation.rule_results as results
    where results.started_at = calls.started_at
      and results.call_id = calls.call_id
      and results.rule_set_version = %(rule_set)s
      and results.started_at >= %(start)s
      and results.started_at < %(end)s
)
"""


def columns_of(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The columns that these rules need of a call, besides its key; a body is read only for who reads it."""
    wanted = {*_ALWAYS, *(name for rule in rules for name in rule.requires)}
    return tuple(name for name in _COLUMNS if name in wanted)


def call_schema(columns: Iterable[str]) -> dict[str, pl.DataType]:
    """What the queries below give: key, the call's columns and its number of tries."""
    return {
        "call_id": pl.String(),
        "started_us": pl.Int64(),
        **{name: CALL_COLUMNS[name] for name in columns},
        "tries": pl.Int16(),
    }


def new_calls(columns: tuple[str, ...]) -> LiteralString:
    """Calls of the window without a result of the rule set."""
    return _page(columns, that=f"{_OF_PRODUCT} and {_WITHOUT_RESULT}")


def carried_calls(columns: tuple[str, ...]) -> LiteralString:
    """The same, of calls with a final result of the set `previous`: what did not change carries over."""
    is_final = (
        "previous.rule_set_version = %(previous)s and not (previous.is_provisional or previous.is_retriable)"
    )
    return _page(columns, by="previous", that=f"{is_final} and {_OF_PRODUCT} and {_WITHOUT_RESULT}")


def unsettled_calls(columns: tuple[str, ...]) -> LiteralString:
    """Calls whose result may change. The partial index holds only these: a settled window costs nothing."""
    return _page(
        columns,
        by="results",
        that="""results.rule_set_version = %(rule_set)s
  and (results.is_provisional or results.is_retriable)
  and (results.is_retriable or calls.status <> 'interrupted')""",
        tries="case when results.is_retriable then results.attempts else 0 end::smallint",
    )


def shadow_calls(columns: tuple[str, ...]) -> LiteralString:
    """Calls of the window that the evaluator version `version` has not judged on trial."""
    return _page(
        columns,
        that=f"""{_OF_PRODUCT}
  and not exists (
      select from evaluation.judgements
      where judgements.started_at = calls.started_at
        and judgements.call_id = calls.call_id
        and judgements.evaluator_version_id = %(version)s
        and judgements.started_at >= %(start)s
        and judgements.started_at < %(end)s
  )""",
    )


def trial_calls(columns: tuple[str, ...]) -> LiteralString:
    """Calls of the window, or the share of them (0 to 1) that their ids pick, with model and preview."""
    share = "('x' || left(md5(calls.call_id::text), 8))::bit(32)::bigint < %(share)s * 4294967296"
    return _page(columns, that=f"{_OF_PRODUCT} and {share}", tries="0::smallint, calls.output_preview")


def _page(
    columns: tuple[str, ...],
    *,
    that: LiteralString,
    by: LiteralString = "calls",
    tries: LiteralString = "0::smallint",
) -> LiteralString:
    """The window's next calls in the order of the key of `by`: the calls, or results under that name."""
    return f"""
select {_selected(columns)}, {tries}
from {_FROM[by]}
{_bodies(columns)}
where {by}.started_at >= %(start)s
  and {by}.started_at < %(end)s
  and ({by}.started_at, {by}.call_id) > (%(start)s, %(after)s)
  and {that}
order by {by}.started_at, {by}.call_id
limit %(limit)s
"""


# The order of the key is that of every index here. A plan that sorts or hashes first reads the whole window
# for each of its chunks, texts and all (measured: 20,000 of 60,000 calls took as long as all of them).
READ_IN_ORDER: LiteralString = """
set local enable_sort = off;
set local enable_hashjoin = off;
set local jit = off
"""

# Sets whose final results wait to be carried over, the newest first: a call is carried from the newest.
PREVIOUS_SETS: LiteralString = """
select distinct previous.rule_set_version
from evaluation.rule_results as previous
where previous.started_at >= %(start)s
  and previous.started_at < %(end)s
  and previous.rule_set_version <> %(rule_set)s
  and not (previous.is_provisional or previous.is_retriable)
  and not exists (
      select from evaluation.rule_results as results
      where results.started_at = previous.started_at
        and results.call_id = previous.call_id
        and results.rule_set_version = %(rule_set)s
        and results.started_at >= %(start)s
        and results.started_at < %(end)s
  )
order by 1 desc
"""

# Names whose verdicts in the set `previous` do not carry over: rules that are gone or have another version.
STALE_NAMES: LiteralString = """
select coalesce(array_agg(versions.evaluator), '{}')
from evaluation.rule_set_members as members
inner join evaluation.evaluator_versions as versions on versions.id = members.evaluator_version_id
where members.rule_set_version = %(previous)s
  and members.evaluator_version_id not in (
      select evaluator_version_id from evaluation.rule_set_members where rule_set_version = %(rule_set)s
  )
"""


def _selected(columns: Iterable[str]) -> LiteralString:
    expressions: list[LiteralString] = [
        "calls.call_id::text",
        "(extract(epoch from calls.started_at) * 1000000)::bigint",
        *(_COLUMNS[name] for name in columns),
    ]
    return ", ".join(expressions)


def _bodies(columns: Iterable[str]) -> LiteralString:
    return _BODIES if _OF_BODIES.keys() & set(columns) else ""


EVERY_COLUMN = tuple(_COLUMNS)
