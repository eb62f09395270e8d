with source as (

    select * from {{ source('raw', 'llm_calls') }}

),

final as (

    select
        call_id,
        started_at,
        ended_at,
        external_id,
        source,
        endpoint,
        provider,
        requested_model,
        served_model,
        project,
        environment,
        key_id,
        user_id,
        session_id,
        trace_id,
        prompt_name,
        prompt_version,
        tags,
        is_streamed,
        status,
        http_status,
        error_type,
        error_message,
        finish_reason,
        ttft_ms,
        latency_ms,
        usage,
        purpose,
        body_state,
        load_id,
        attempts,
        input_preview,
        output_preview,
        landed_at
    from source

)

select * from final
