-- One row per provider, covered day, model and key: what we charged on that day as the provider cuts it, and on the
-- UTC day. Demo calls are never billed. An output holds reasoning, as invoices have it.

with days as (

    select * from {{ ref('int_invoice_days') }}

),

zones as (

    select distinct
        provider,
        time_zone
    from days

),

hours as (

    select
        *,
        {{ billed_model('model') }} as billed_model
    from {{ ref('cost_hourly') }}
    where purpose <> 'demo' and hour >= (select min(day) - 1 from days) and hour < (select max(day) + 2 from days)

),

placed as (

    select
        hours.*,
        (hours.hour at time zone zones.time_zone)::date as day,
        true as is_theirs
    from hours
    inner join zones using (provider)
    union all
    select
        hours.*,
        (hours.hour at time zone 'UTC')::date as day,
        false as is_theirs
    from hours
    inner join zones using (provider)

),

final as (

    select
        placed.provider,
        placed.day,
        case when days.is_whole then '(all)' else placed.billed_model end as model,
        case when days.is_all_keys then '(all)' else placed.key_id end as key_id,
        coalesce(sum(placed.n_attempts - placed.n_without_usage) filter (where placed.is_theirs), 0)::bigint as n_requests,
        coalesce(sum(placed.n_without_usage) filter (where placed.is_theirs), 0)::bigint as n_without_usage,
        coalesce(sum(placed.n_unpriced) filter (where placed.is_theirs), 0)::bigint as n_unpriced,
        {%- for bucket in ['input_uncached', 'cache_read', 'cache_write', 'cache_write_1h', 'input_audio', 'output_audio'] %}
        coalesce(sum(placed.{{ bucket }}) filter (where placed.is_theirs and placed.n_priced > 0), 0)::bigint
            as {{ bucket }},
        coalesce(sum(placed.{{ bucket }}) filter (where placed.is_theirs and placed.n_priced = 0), 0)::bigint
            as unpriced_{{ bucket }},
        {%- endfor %}
        coalesce(
            sum(coalesce(placed.output_text, 0) + coalesce(placed.reasoning, 0))
                filter (where placed.is_theirs and placed.n_priced > 0),
            0
        )::bigint as output,
        coalesce(
            sum(coalesce(placed.output_text, 0) + coalesce(placed.reasoning, 0))
                filter (where placed.is_theirs and placed.n_priced = 0),
            0
        )::bigint as unpriced_output,
        coalesce(sum(placed.amount_usd) filter (where placed.is_theirs), 0) as their_day_usd,
        coalesce(sum(placed.amount_usd) filter (where not placed.is_theirs), 0) as utc_day_usd,
        array_agg(distinct placed.service_tier) filter (where placed.is_theirs and placed.n_priced > 0) as service_tiers,
        (array_agg(placed.usd_per_million order by placed.amount_usd desc nulls last)
            filter (where placed.usd_per_million is not null))[1] as usd_per_million
    from placed
    inner join days using (provider, day)
    group by 1, 2, 3, 4

)

select * from final
