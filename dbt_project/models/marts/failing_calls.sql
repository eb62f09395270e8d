{{ config(materialized='view') }}

-- Always ask for a range of started_at: this reads calls, one row per call.

with calls as (

    select * from {{ ref('calls') }}
    where is_failed

),

raw_calls as (

    select * from {{ ref('stg_raw__llm_calls') }}

),

final as (

    select
        calls.started_at,
        calls.call_id,
        calls.provider,
        calls.model,
        calls.project,
        calls.user_id,
        calls.prompt_name,
        calls.status,
        calls.finish_reason,
        calls.latency_ms,
        calls.failed_rules,
        calls.rule_set_version,
        previews.input_preview,
        previews.output_preview
    from calls
    -- One probe a call: joined plainly, a range asked of `calls` prunes no month of the raw calls.
    left join lateral (
        select raw_calls.input_preview, raw_calls.output_preview
        from raw_calls
        where raw_calls.started_at = calls.started_at
            and raw_calls.call_id = calls.call_id
        limit 1
    ) as previews on true

)

select * from final
