-- One row per provider, covered day, model and key: what we charged on that day as the provider cuts it, and on the
-- UTC day. Demo calls count only where there are no others. An output holds reasoning, as invoices have it.

{%- set buckets = [
    'input_uncached', 'cache_read', 'cache_write', 'cache_write_1h', 'input_audio', 'input_image', 'output_audio',
    'output_image',
] %}

with days as (

    select
        *,
        day::timestamp at time zone time_zone as starts_at,
        (day + 1)::timestamp at time zone time_zone as ends_at,
        day::timestamp at time zone 'UTC' as utc_starts_at,
        (day + 1)::timestamp at time zone 'UTC' as utc_ends_at
    from {{ ref('int_invoice_days') }}

),

others as (

    select {{ has_more_than_a_demo() }} as has_others

),

hours as (

    select * from {{ ref('cost_hourly') }}
    where purpose <> 'demo' or not (select has_others from others)

),

-- The hours of a day are a range of the mart's primary key: a reader who asks for a month reads a month of them.
-- One hour more on either side, because a midnight that comes twice when clocks are set back begins twice.
placed as (

    select
        days.provider,
        days.day,
        days.time_zone,
        days.tolerance,
        days.is_whole,
        days.is_all_keys,
        near.*,
        (near.hour at time zone days.time_zone)::date = days.day as is_theirs,
        (near.hour at time zone 'UTC')::date = days.day as is_utc
    from days
    cross join lateral (
        select
            hours.hour,
            hours.model as priced_model,
            hours.key_id,
            hours.service_tier,
            hours.usd_per_million,
            hours.n_priced > 0 as is_priced,
            hours.n_attempts,
            hours.n_without_usage,
            hours.n_unpriced,
            {%- for bucket in buckets %}
            hours.{{ bucket }},
            {%- endfor %}
            coalesce(hours.output_text, 0) + coalesce(hours.reasoning, 0) as output,
            hours.amount_usd
        from hours
        where hours.provider = days.provider
            and hours.hour >= least(days.starts_at, days.utc_starts_at) - interval '1 hour'
            and hours.hour < greatest(days.ends_at, days.utc_ends_at) + interval '1 hour'
        -- A fence: flattened into a join, the planner reads the whole mart once for every provider.
        offset 0
    ) as near

),

-- By the names of our own first: there are few of them, and the name of a bill is found by patterns.
summed as (

    select
        provider,
        day,
        time_zone,
        tolerance,
        is_whole,
        is_all_keys,
        priced_model,
        key_id,
        service_tier,
        usd_per_million,
        is_theirs,
        is_utc,
        is_priced,
        sum(n_attempts) as n_attempts,
        sum(n_without_usage) as n_without_usage,
        sum(n_unpriced) as n_unpriced,
        {%- for bucket in buckets + ['output'] %}
        sum({{ bucket }}) as {{ bucket }},
        {%- endfor %}
        sum(amount_usd) as amount_usd
    from placed
    where is_theirs or is_utc
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13

),

named as (

    select
        *,
        case when is_whole then '(all)' else {{ billed_model('priced_model') }} end as model_group,
        case when is_all_keys then '(all)' else key_id end as key_group
    from summed

),

final as (

    select
        provider,
        day,
        model_group as model,
        key_group as key_id,
        max(time_zone) as time_zone,
        max(tolerance) as tolerance,
        coalesce(sum(n_attempts - n_without_usage) filter (where is_theirs), 0)::bigint as n_requests,
        coalesce(sum(n_without_usage) filter (where is_theirs), 0)::bigint as n_without_usage,
        coalesce(sum(n_unpriced) filter (where is_theirs), 0)::bigint as n_unpriced,
        {%- for bucket in buckets + ['output'] %}
        coalesce(sum({{ bucket }}) filter (where is_theirs and is_priced), 0)::bigint as {{ bucket }},
        coalesce(sum({{ bucket }}) filter (where is_theirs and not is_priced), 0)::bigint as unpriced_{{ bucket }},
        {%- endfor %}
        coalesce(sum(amount_usd) filter (where is_theirs), 0) as their_day_usd,
        coalesce(sum(amount_usd) filter (where is_utc), 0) as utc_day_usd,
        array_agg(distinct service_tier) filter (where is_theirs and is_priced) as service_tiers,
        (array_agg(usd_per_million order by amount_usd desc nulls last) filter (where usd_per_million is not null))[1]
            as usd_per_million
    from named
    group by 1, 2, 3, 4

)

select * from final
