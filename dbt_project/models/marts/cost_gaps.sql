{{ config(materialized='view') }}

with charges as (

    -- A partial index holds the few charges that have a reported figure.
    select * from {{ ref('stg_cost__charges') }}
    where reported_usd is not null

),

compared as (

    select
        *,
        coalesce(
            greatest(amount_usd, reported_usd)
            > least(amount_usd, reported_usd) * case when greatest(amount_usd, reported_usd) > 0.01 then 100 else 1000 end
            and greatest(amount_usd, reported_usd) > 0.0001,
            false
        ) and amount_usd is not null as is_implausible,
        amount_usd is null as is_unpriced
    from charges

),

final as (

    select
        (started_at at time zone 'UTC')::date as day,
        provider,
        model,
        (count(*) filter (where not is_implausible and not is_unpriced))::bigint as n_compared,
        coalesce(sum(amount_usd) filter (where not is_implausible and not is_unpriced), 0) as amount_usd,
        coalesce(sum(reported_usd) filter (where not is_implausible and not is_unpriced), 0) as reported_usd,
        coalesce(sum(reported_usd - amount_usd) filter (where not is_implausible and not is_unpriced), 0) as gap_usd,
        (count(*) filter (where is_unpriced))::bigint as n_unpriced,
        coalesce(sum(reported_usd) filter (where is_unpriced), 0) as unpriced_reported_usd,
        (count(*) filter (where is_implausible))::bigint as n_implausible,
        coalesce(sum(amount_usd) filter (where is_implausible), 0) as implausible_amount_usd,
        coalesce(sum(reported_usd) filter (where is_implausible), 0) as implausible_reported_usd
    from compared
    group by 1, 2, 3

)

select * from final
