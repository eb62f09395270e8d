{{ config(tags=['daily'], indexes=[{'columns': ['user_id', 'day']}]) }}

with calls as (

    select * from {{ ref('calls') }}
    where {{ on_window_days('started_at') }}

),

final as (

    select
        (started_at at time zone 'UTC')::date as day,
        project,
        coalesce(user_id, '(none)') as user_id,
        model,
        count(*) as n_calls,
        count(amount_usd) as n_priced,
        count(unpriced_reason) as n_unpriced,
        count(distinct session_id) as n_sessions,
        sum(amount_usd) as amount_usd,
        sum(failed_attempts_usd) as failed_attempts_usd
    from calls
    group by 1, 2, 3, 4

)

select * from final
