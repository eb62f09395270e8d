-- One row per charged attempt in the run's windows, of every purpose, with what the attempt was for.

with charges as (

    select * from {{ ref('stg_cost__charges') }}
    where {{ in_windows('started_at') }}

),

calls as (

    select * from {{ ref('stg_raw__llm_calls') }}
    where {{ in_windows('started_at') }}

),

ordered as (

    select
        *,
        max(attempt) over (partition by started_at, call_id) as last_attempt
    from charges

),

final as (

    select
        ordered.*,
        coalesce(calls.project, '(none)') as project,
        coalesce(calls.environment, '(none)') as environment,
        coalesce(calls.key_id, '(none)') as key_id,
        coalesce(calls.prompt_name, '(none)') as prompt_name,
        coalesce(calls.prompt_version, '(none)') as prompt_version,
        coalesce(calls.purpose, '(none)') as purpose,
        ordered.attempt = ordered.last_attempt as is_last,
        case
            when ordered.attempt < ordered.last_attempt then 'failed_attempt'
            when calls.status = 'error' then 'failed_call'
            when ordered.attempt > 0 then 'fallback'
            else 'answer'
        end as line
    from ordered
    left join calls using (started_at, call_id)

)

select * from final
