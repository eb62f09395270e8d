"""SQL of charging. Constants bind every relation to the window, so that only its months are read."""

from typing import LiteralString

import polars as pl

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

# A call without attempts is its own attempt 0. The call's usage and served model are its last attempt's.
_ATTEMPTS: LiteralString = """
select
    calls.call_id::text,
    (extract(epoch from calls.started_at) * 1000000)::bigint,
    attempts.attempt::smallint,
    attempts.provider,
    attempts.model,
    calls.endpoint,
    attempts.usage::text,
    coalesce(
        attempts.usage ->> 'service_tier', attempts.usage ->> 'serviceTier', calls.tags ->> 'service_tier'
    ),
    calls.status = 'interrupted'
from calls
cross join lateral (
    select
        0 as attempt,
        calls.provider,
        coalesce(calls.served_model, calls.requested_model) as model,
        calls.usage
    where jsonb_array_length(calls.attempts) = 0
    union all
    select
        number - 1,
        coalesce(item ->> 'provider', calls.provider),
        coalesce(case when is_last then calls.served_model end, item ->> 'model', calls.requested_model),
        coalesce(nullif(item -> 'usage', 'null'), case when is_last then calls.usage end)
    from jsonb_array_elements(calls.attempts) with ordinality as listed (item, number)
    cross join lateral (select number = jsonb_array_length(calls.attempts) as is_last) as place
) as attempts
order by calls.started_at, calls.call_id, attempts.attempt
"""

# Attempts that are no list are for the quarantine; one such row must not stop the charges of all others.
_CALL_COLUMNS: LiteralString = """
    calls.call_id, calls.started_at, calls.provider, calls.served_model, calls.requested_model,
    calls.endpoint, calls.usage, calls.tags, calls.status,
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

# What the book learned after the oldest charge of a model in the window: the times it is about, and when.
TOUCHED_MODELS: LiteralString = """
with charged as (
    select provider, model, min(charged_at) as first_charged
    from cost.charges
    where started_at >= %(start)s and started_at < %(end)s
    group by provider, model
),
changes as (
    select *, greatest(recorded_at, superseded_at) as changed_at
    from cost.prices
    where valid_from < %(end)s and (valid_to is null or valid_to > %(start)s)
)
select charged.provider, charged.model, changes.valid_from, changes.valid_to, max(changes.changed_at)
from charged
inner join changes
    on (changes.provider is null or changes.provider = charged.provider)
    and case
        when changes.match = 'exact' then changes.model = charged.model
        else starts_with(charged.model, changes.model)
    end
    and changes.changed_at >= charged.first_charged
group by 1, 2, 3, 4
"""

CORRECTED_CALLS: LiteralString = f"""
with keys as materialized (
    select distinct charges.started_at, charges.call_id
    from cost.charges
    where charges.started_at >= %(start)s
      and charges.started_at < %(end)s
      and (charges.started_at, charges.call_id) > (%(start)s, %(after)s)
      and exists (
          select from unnest(
              %(providers)s::text[], %(models)s::text[], %(froms)s::timestamptz[], %(tos)s::timestamptz[],
              %(changes)s::timestamptz[]
          ) as touched (provider, model, valid_from, valid_to, changed_at)
          where touched.provider = charges.provider
            and touched.model = charges.model
            and touched.changed_at >= charges.charged_at
            and charges.started_at >= touched.valid_from
            and (touched.valid_to is null or charges.started_at < touched.valid_to)
      )
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

MAKE_STAGE: LiteralString = """
create temp table if not exists charged_attempts (
    started_at timestamptz not null,
    call_id uuid not null,
    attempt smallint not null,
    provider text not null,
    model text not null,
    price_version bigint,
    price_row_ids bigint[] not null,
    input_uncached bigint,
    cache_read bigint,
    cache_write bigint,
    cache_write_1h bigint,
    input_audio bigint,
    output_text bigint,
    reasoning bigint,
    output_audio bigint,
    amount_usd numeric,
    unpriced_reason text,
    reported_usd numeric,
    is_provisional boolean not null
) on commit delete rows
"""

# Without statistics the plan for what has vanished may compare all charges pairwise: 12.6 s instead of 0.2 s.
ANALYZE_STAGE: LiteralString = "analyze charged_attempts (started_at, call_id, attempt)"

_KEYS: LiteralString = "started_at, call_id, attempt"
_VALUES: LiteralString = """
    provider, model, price_row_ids, input_uncached, cache_read, cache_write, cache_write_1h, input_audio,
    output_text, reasoning, output_audio, amount_usd, unpriced_reason, reported_usd
"""


def _of(alias: LiteralString) -> LiteralString:
    names: list[LiteralString] = [name.strip() for name in _VALUES.split(",")]
    return ", ".join([f"{alias}.{name}" for name in names])


# A charge that only knows a newer version of the book, or an END with the same tokens, is not restated; an
# attempt that the call no longer has differs from its missing row.
KEEP_SUPERSEDED: LiteralString = f"""
insert into cost.charge_history (
    {_KEYS}, {_VALUES}, price_version, is_provisional, charged_at, superseded_at, reason
)
select
    old.started_at, old.call_id, old.attempt, {_of("old")}, old.price_version, old.is_provisional,
    old.charged_at, statement_timestamp(),
    case
        when old.is_provisional then 'call_replaced'
        when old.unpriced_reason is not null then 'priced_later'
        else 'repriced'
    end
from (select distinct started_at, call_id from charged_attempts) as calls
inner join cost.charges as old
    on old.started_at = calls.started_at
    and old.call_id = calls.call_id
    and old.started_at >= %(start)s
    and old.started_at < %(end)s
left join charged_attempts as new
    on new.started_at = old.started_at
    and new.call_id = old.call_id
    and new.attempt = old.attempt
where ({_of("old")}) is distinct from ({_of("new")})
"""

DROP_VANISHED: LiteralString = """
delete from cost.charges as old
using (select distinct started_at, call_id from charged_attempts) as calls
where old.started_at = calls.started_at
  and old.call_id = calls.call_id
  and old.started_at >= %(start)s
  and old.started_at < %(end)s
  and not exists (
      select from charged_attempts as new
      where new.started_at = old.started_at and new.call_id = old.call_id and new.attempt = old.attempt
  )
"""

# `charged_at` is when the figures of a row became what they are, by the clock once the writer has its lock:
# with the history it tells what stood at any time.
WRITE_CHARGES: LiteralString = f"""
with written as (
    insert into cost.charges ({_KEYS}, {_VALUES}, price_version, is_provisional, charged_at)
    select {_KEYS}, {_VALUES}, price_version, is_provisional, statement_timestamp()
    from charged_attempts
    order by started_at, call_id, attempt
    on conflict (started_at, call_id, attempt) do update
    set ({_VALUES}, price_version, is_provisional, charged_at)
        = (
            {_of("excluded")}, excluded.price_version, excluded.is_provisional,
            case
                when ({_of("charges")}) is distinct from ({_of("excluded")}) then excluded.charged_at
                else charges.charged_at
            end
        )
    where ({_of("charges")}) is distinct from ({_of("excluded")})
       or charges.is_provisional <> excluded.is_provisional
       or (excluded.unpriced_reason is not null and charges.price_version <> excluded.price_version)
    returning started_at, unpriced_reason
)
select date_trunc('hour', started_at, 'UTC'), unpriced_reason, count(*) from written group by 1, 2
"""
