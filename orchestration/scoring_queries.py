"""SQL of rule scoring. Constants bind every relation to the window, so that only its months are read."""

from typing import LiteralString

import polars as pl

from evaluators.rules.prepare import INPUT_SCHEMA

CALL_SCHEMA: dict[str, pl.DataType] = {
    "call_id": pl.String(),
    "started_us": pl.Int64(),
    "endpoint": pl.String(),
    "status": pl.String(),
    "http_status": pl.Int32(),
    "error_type": pl.String(),
    "finish_reason": pl.String(),
    "latency_ms": pl.Float64(),
    "ttft_ms": pl.Float64(),
    "is_streamed": pl.Boolean(),
    "body_state": pl.String(),
    "input_text": pl.String(),
    "output_text": pl.String(),
    "request": pl.Binary(),
    "tries": pl.Int16(),
    "previous_version": pl.Int32(),
    "previous_failed": pl.List(pl.String()),
    "previous_unscored": pl.String(),
    "previous_evidence": pl.String(),
}
assert set(INPUT_SCHEMA) <= {*CALL_SCHEMA, "started_at"}, "the rules read a column that is not fetched"

_COLUMNS: LiteralString = """
    calls.call_id::text,
    (extract(epoch from calls.started_at) * 1000000)::bigint,
    calls.endpoint,
    calls.status,
    calls.http_status,
    calls.error_type,
    calls.finish_reason,
    calls.latency_ms,
    calls.ttft_ms,
    calls.is_streamed,
    calls.body_state,
    bodies.input_text,
    bodies.output_text,
    bodies.request
"""

_BODIES: LiteralString = """
left join raw.llm_bodies as bodies
    on bodies.started_at = calls.started_at
    and bodies.call_id = calls.call_id
    and bodies.started_at >= %(start)s
    and bodies.started_at < %(end)s
"""

# A result of another rule set, if it is final, saves running the rules that did not change.
NEW_CALLS: LiteralString = f"""
select {_COLUMNS},
    0::smallint,
    previous.rule_set_version,
    previous.failed,
    previous.unscored::text,
    previous.evidence::text
from raw.llm_calls as calls
{_BODIES}
left join lateral (
    select others.rule_set_version, others.failed, others.unscored, others.evidence
    from evaluation.rule_results as others
    where others.started_at = calls.started_at
      and others.call_id = calls.call_id
      and others.started_at >= %(start)s
      and others.started_at < %(end)s
      and not (others.is_provisional or others.is_retriable)
    order by others.rule_set_version desc
    limit 1
) as previous on %(has_other_sets)s
where calls.started_at >= %(start)s
  and calls.started_at < %(end)s
  and (calls.started_at, calls.call_id) > (%(start)s, %(after)s)
  and calls.purpose in ('product', 'demo')
  and not exists (
      select from evaluation.rule_results as results
      where results.started_at = calls.started_at
        and results.call_id = calls.call_id
        and results.rule_set_version = %(rule_set)s
        and results.started_at >= %(start)s
        and results.started_at < %(end)s
  )
order by calls.started_at, calls.call_id
limit %(limit)s
"""

# The partial index holds only results that may change, so a settled window costs nothing here.
UNSETTLED_CALLS: LiteralString = f"""
select {_COLUMNS},
    case when results.is_retriable then results.attempts else 0 end::smallint,
    null::integer,
    null::text[],
    null::text,
    null::text
from evaluation.rule_results as results
inner join raw.llm_calls as calls
    on calls.started_at = results.started_at
    and calls.call_id = results.call_id
    and calls.started_at >= %(start)s
    and calls.started_at < %(end)s
{_BODIES}
where results.started_at >= %(start)s
  and results.started_at < %(end)s
  and (results.started_at, results.call_id) > (%(start)s, %(after)s)
  and results.rule_set_version = %(rule_set)s
  and (results.is_provisional or results.is_retriable)
  and (results.is_retriable or calls.status <> 'interrupted')
order by results.started_at, results.call_id
limit %(limit)s
"""

MAKE_STAGE: LiteralString = """
create temp table if not exists scored_calls (
    started_at timestamptz not null,
    call_id uuid not null,
    failed text[] not null,
    unscored jsonb not null,
    evidence jsonb not null,
    attempts smallint not null,
    is_provisional boolean not null,
    is_retriable boolean not null
) on commit delete rows
"""

WRITE_RESULTS: LiteralString = """
insert into evaluation.rule_results (
    started_at, call_id, rule_set_version, failed, unscored, evidence, attempts, is_provisional, is_retriable
)
select
    started_at, call_id, %(rule_set)s, failed, unscored, evidence, attempts, is_provisional, is_retriable
from scored_calls
order by started_at, call_id
on conflict (started_at, call_id, rule_set_version) do update
set failed = excluded.failed,
    unscored = excluded.unscored,
    evidence = excluded.evidence,
    attempts = excluded.attempts,
    is_provisional = excluded.is_provisional,
    is_retriable = excluded.is_retriable,
    scored_at = now()
where rule_results.is_provisional or rule_results.is_retriable
"""
