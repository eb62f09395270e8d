{{ config(materialized='view') }}

with lines as (

    select * from {{ ref('chargeback') }}

),

final as (

    select
        month,
        project,
        coalesce(sum(amount_usd) filter (where kind = 'charge' and purpose not in ('judge', 'replay')), 0) as product_usd,
        coalesce(sum(amount_usd) filter (where kind = 'charge' and purpose = 'judge'), 0) as judging_usd,
        coalesce(sum(amount_usd) filter (where kind = 'charge' and purpose = 'replay'), 0) as replays_usd,
        coalesce(sum(amount_usd) filter (where kind = 'charge' and line in ('failed_attempt', 'failed_call')), 0)
            as failed_usd,
        coalesce(sum(amount_usd) filter (where kind = 'adjustment'), 0) as adjustments_usd,
        sum(amount_usd) as total_usd,
        coalesce(sum(n_unpriced) filter (where kind = 'charge'), 0)::bigint as n_unpriced,
        max(closed_at) as closed_at
    from lines
    group by 1, 2

)

select * from final
