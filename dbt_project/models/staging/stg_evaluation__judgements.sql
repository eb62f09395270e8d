with source as (

    select * from {{ source('evaluation', 'judgements') }}

),

final as (

    select
        started_at,
        call_id,
        evaluator_version_id,
        value,
        label,
        unscored_reason,
        judge_model,
        inclusion_probability,
        cost_usd,
        attempts,
        content_hash,
        policy,
        is_cached,
        is_retriable,
        scored_at
    from source

)

select * from final
