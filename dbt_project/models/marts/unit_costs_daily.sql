{{ config(tags=['daily']) }}

-- Sessions go through models and days: they are counted per model and, in the row '(all)', per project.

with calls as (

    select
        (started_at at time zone 'UTC')::date as day,
        *
    from {{ ref('calls') }}
    where {{ on_window_days('started_at') }}

),

sums as (

    select
        day,
        project,
        coalesce(model, '(all)') as model,
        count(*) as n_calls,
        count(amount_usd) as n_priced,
        sum(amount_usd) as amount_usd,
        count(distinct session_id) filter (where amount_usd is not null) as n_sessions,
        sum(amount_usd) filter (where session_id is not null) as sessions_usd,
        count(*) filter (where not is_failed and amount_usd is not null) as n_passed,
        sum(amount_usd) filter (where is_failed is not null) as scored_usd
    from calls
    group by grouping sets ((day, project, model), (day, project))

),

final as (

    select
        day,
        project,
        model,
        n_calls,
        n_priced,
        amount_usd,
        amount_usd / nullif(n_priced, 0) as usd_per_call,
        n_sessions,
        sessions_usd / nullif(n_sessions, 0) as usd_per_session,
        n_passed,
        -- What failed was paid for as well: its cost is carried by what passed.
        scored_usd / nullif(n_passed, 0) as usd_per_passed_call
    from sums

)

select * from final
