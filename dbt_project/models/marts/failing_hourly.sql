-- The failing share by rule set: an alert must not take another rule set for another product.

with calls as (

    select * from {{ ref('calls') }}
    where {{ in_windows('started_at') }}
        and is_failed is not null

),

final as (

    select
        date_trunc('hour', started_at, 'UTC') as hour,
        model,
        rule_set_version,
        count(*) as n_scored,
        count(*) filter (where is_failed) as n_failed
    from calls
    group by 1, 2, 3

)

select * from final
