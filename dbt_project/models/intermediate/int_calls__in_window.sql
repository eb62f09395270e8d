-- One row per call of the product (or the demo) in the run's windows; quarantined rows leave here.

with calls as (

    select * from {{ ref('stg_raw__llm_calls') }}
    where {{ in_windows('started_at') }}

),

quarantined as (

    select distinct started_at, call_id from {{ ref('stg_evaluation__quarantine') }}
    where {{ in_windows('started_at') }}

),

trusted as (

    select calls.*
    from calls
    left join quarantined using (started_at, call_id)
    where quarantined.call_id is null

),

final as (

    select
        call_id,
        started_at,
        source,
        endpoint,
        provider,
        -- What was asked for: an error has no served model, and a failing model must not lose its failures.
        requested_model as model,
        served_model,
        coalesce(project, '(none)') as project,
        environment,
        coalesce(key_id, '(none)') as key_id,
        user_id,
        session_id,
        prompt_name,
        prompt_version,
        purpose,
        is_streamed,
        body_state,
        status,
        http_status,
        error_type,
        finish_reason,
        latency_ms,
        ttft_ms,
        attempts
    from trusted
    where purpose in ('product', 'demo')

)

select * from final
