"""SQL of charging. Constants bind every relation to the window, so that only its months are read."""

from typing import LiteralString

import polars as pl

from ingest.landing.stated_tier import ANSWERED, stated_tier
from orchestration.cost.charged_models import charged_models

ATTEMPT_SCHEMA: dict[str, pl.DataType] = {
    "call_id": pl.String(),
    "started_us": pl.Int64(),
    "attempt": pl.Int16(),
    "provider": pl.String(),
    "model": pl.String(),
    "endpoint": pl.String(),
    "usage": pl.String(),
    "service_tier": pl.String(),
    "is_provisional": pl.Boolean(),
}

# A call without attempts is its own attempt 0. The call's usage and served model are its last attempt's, and
# so is the service tier that the answer says beside its usage.
_OF_LAST: LiteralString = f"case when attempts.is_last then {ANSWERED} end"
_ATTEMPTS: LiteralString = f"""
select
    calls.call_id::text,
    (extract(epoch from calls.started_at) * 1000000)::bigint,
    attempts.attempt::smallint,
    attempts.provider,
    attempts.model,
    calls.endpoint,
    attempts.usage::text,
    {stated_tier(_OF_LAST)},
    calls.status = 'interrupted'
from calls
cross join lateral (
    select
        0 as attempt,
        calls.provider,
        coalesce(calls.served_model, calls.requested_model) as model,
        calls.usage,
        true as is_last
    where jsonb_array_length(calls.attempts) = 0
    union all
    select
        number - 1,
        coalesce(item ->> 'provider', calls.provider),
        coalesce(case when is_last then calls.served_model end, item ->> 'model', calls.requested_model),
        coalesce(nullif(item -> 'usage', 'null'), case when is_last then calls.usage end),
        is_last
    from jsonb_array_elements(calls.attempts) with ordinality as listed (item, number)
    cross join lateral (select number = jsonb_array_length(calls.attempts) as is_last) as place
) as attempts
order by calls.started_at, calls.call_id, attempts.attempt
"""

# Attempts that are no list are for the quarantine; one such row must not stop the charges of all others. A
# usage that is no object stands in `usage_raw` alone: it is malformed, and not none.
_CALL_COLUMNS: LiteralString = """
    calls.call_id, calls.started_at, calls.provider, calls.served_model, calls.requested_model,
    calls.endpoint, coalesce(calls.usage, to_jsonb(calls.usage_raw)) as usage, calls.tags, calls.status,
    calls.source,
    case when jsonb_typeof(calls.attempts) = 'array' then calls.attempts else '[]' end as attempts
"""

NEW_CALLS: LiteralString = f"""
with calls as materialized (
    select {_CALL_COLUMNS}
    from raw.llm_calls as calls
    where calls.started_at >= %(start)s
      and calls.started_at < %(end)s
      and (calls.started_at, calls.call_id) > (%(start)s, %(after)s)
      and not exists (
          select from cost.charges
          where charges.started_at = calls.started_at
            and charges.call_id = calls.call_id
            and charges.started_at >= %(start)s
            and charges.started_at < %(end)s
      )
    order by calls.started_at, calls.call_id
    limit %(limit)s
)
{_ATTEMPTS}
"""

ONE_CALL: LiteralString = f"""
with calls as materialized (
    select {_CALL_COLUMNS}
    from raw.llm_calls as calls
    where calls.started_at = ingest.uuid7_time(%(id)s) and calls.call_id = %(id)s
)
{_ATTEMPTS}
"""

ALL_CALLS: LiteralString = f"""
with calls as materialized (
    select {_CALL_COLUMNS}
    from raw.llm_calls as calls
    where calls.started_at >= %(start)s
      and calls.started_at < %(end)s
      and (calls.started_at, calls.call_id) > (%(start)s, %(after)s)
    order by calls.started_at, calls.call_id
    limit %(limit)s
)
{_ATTEMPTS}
"""

# The partial index on charges holds only what may change: a settled window costs nothing here.
UNSETTLED_CALLS: LiteralString = f"""
with calls as materialized (
    select distinct on (calls.started_at, calls.call_id) {_CALL_COLUMNS}
    from cost.charges
    inner join raw.llm_calls as calls
        on calls.started_at = charges.started_at
        and calls.call_id = charges.call_id
        and calls.started_at >= %(start)s
        and calls.started_at < %(end)s
    where charges.started_at >= %(start)s
      and charges.started_at < %(end)s
      and (charges.started_at, charges.call_id) > (%(start)s, %(after)s)
      and (charges.is_provisional or charges.unpriced_reason is not null)
      and (
          (charges.is_provisional and calls.status <> 'interrupted')
          or (
              charges.price_version < %(book_version)s
              and (
                  charges.unpriced_reason = 'unknown_model'
                  or starts_with(charges.unpriced_reason, 'unpriced_')
              )
              and (charges.provider, charges.model) in (
                  select * from unnest(%(providers)s::text[], %(models)s::text[])
              )
          )
      )
    order by calls.started_at, calls.call_id
    limit %(limit)s
)
{_ATTEMPTS}
"""

# What the book has learned since, of models with charges in the months of the window: the times it is about,
# and when.
TOUCHED_MODELS: LiteralString = f"""
with recursive {charged_models("%(start)s", "%(end)s")},
changes as (
    select *, greatest(recorded_at, superseded_at) as changed_at
    from cost.prices
    where valid_from < %(end)s
      and (valid_to is null or valid_to > %(start)s)
      and greatest(recorded_at, superseded_at) >= %(since)s
)
select charged.provider, charged.model, changes.valid_from, changes.valid_to, max(changes.changed_at)
from charged
inner join changes
    on (changes.provider is null or changes.provider = charged.provider)
    and case
        when changes.match = 'exact' then changes.model = charged.model
        else starts_with(charged.model, changes.model)
    end
group by 1, 2, 3, 4
"""

_TOUCHED_CHARGES: LiteralString = """
    from unnest(
        %(providers)s::text[], %(models)s::text[], %(froms)s::timestamptz[], %(tos)s::timestamptz[],
        %(changes)s::timestamptz[]
    ) as touched (provider, model, valid_from, valid_to, changed_at)
    inner join cost.charges
        on charges.provider = touched.provider
        and charges.model = touched.model
        and charges.started_at >= touched.valid_from
        and (touched.valid_to is null or charges.started_at < touched.valid_to)
    where charges.started_at >= %(start)s
      and charges.started_at < %(end)s
"""

# From the index alone, so that some of these may have been charged after the change.
TOUCHED_DAYS: LiteralString = f"""
select date_trunc('day', charges.started_at, 'UTC'), count(*)
{_TOUCHED_CHARGES}
group by 1
order by 1
"""

CORRECTED_CALLS: LiteralString = f"""
with keys as materialized (
    select distinct charges.started_at, charges.call_id
    {_TOUCHED_CHARGES}
      and charges.charged_at <= touched.changed_at
      and (charges.started_at, charges.call_id) > (%(start)s, %(after)s)
    order by charges.started_at, charges.call_id
    limit %(limit)s
),
calls as materialized (
    select {_CALL_COLUMNS}
    from keys
    inner join raw.llm_calls as calls
        on calls.started_at = keys.started_at
        and calls.call_id = keys.call_id
        and calls.started_at >= %(start)s
        and calls.started_at < %(end)s
)
{_ATTEMPTS}
"""

# Why only these reasons: no price book can help a call that has no readable usage.
UNPRICED_MODELS: LiteralString = """
select provider, model, min(price_version)
from cost.charges
where started_at >= %(start)s
  and started_at < %(end)s
  and unpriced_reason is not null
  and (unpriced_reason = 'unknown_model' or starts_with(unpriced_reason, 'unpriced_'))
  and price_version < %(book_version)s
group by provider, model
"""

UNKNOWN_MODELS: LiteralString = """
select distinct provider, model
from cost.charges
where started_at >= %(start)s
  and started_at < %(end)s
  and unpriced_reason is not null
  and unpriced_reason = 'unknown_model'
"""
