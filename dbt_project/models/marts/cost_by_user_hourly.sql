{{ config(indexes=[{'columns': ['user_id', 'hour']}]) }}

with calls as (

    select * from {{ ref('calls') }}
    where {{ in_windows('started_at') }}

),

final as (

    select
        date_trunc('hour', started_at, 'UTC') as hour,
        project,
        coalesce(user_id, '(none)') as user_id,
        model,
        count(*) as n_calls,
        count(amount_usd) as n_priced,
        count(unpriced_reason) as n_unpriced,
        sum(amount_usd) as amount_usd,
        sum(failed_attempts_usd) as failed_attempts_usd
    from calls
    group by 1, 2, 3, 4

)

select * from final
