with calls as (

    select * from {{ ref('int_calls__in_window') }}

),

results as (

    select * from {{ ref('int_rule_results__current') }}

),

charges as (

    select * from {{ ref('int_charges__by_call') }}

),

final as (

    select
        calls.call_id,
        calls.started_at,
        calls.source,
        calls.endpoint,
        calls.provider,
        calls.model,
        calls.served_model,
        calls.project,
        calls.environment,
        calls.key_id,
        calls.user_id,
        calls.session_id,
        calls.prompt_name,
        calls.prompt_version,
        calls.purpose,
        calls.is_streamed,
        calls.body_state,
        calls.status,
        calls.http_status,
        calls.error_type,
        calls.finish_reason,
        calls.latency_ms,
        calls.ttft_ms,
        results.rule_set_version,
        results.n_rules_scored,
        results.n_rules_failed,
        results.failed_rules,
        results.unscored_rules,
        results.is_failed,
        charges.n_attempts,
        charges.n_attempts_unpriced,
        charges.price_version,
        charges.input_uncached,
        charges.cache_read,
        charges.cache_write,
        charges.cache_write_1h,
        charges.input_audio,
        charges.input_image,
        charges.output_text,
        charges.reasoning,
        charges.output_audio,
        charges.output_image,
        charges.amount_usd,
        case when charges.call_id is null then 'not_charged' else charges.unpriced_reason end as unpriced_reason,
        case
            when calls.status = 'error' then charges.amount_usd
            when charges.amount_usd is not null then charges.earlier_attempts_usd
        end as failed_attempts_usd,
        charges.reported_usd
    from calls
    left join results using (started_at, call_id)
    left join charges using (started_at, call_id)

)

select * from final
