-- One row per call that a judge was asked with in the run's windows, with its charge.

with calls as (

    select * from {{ ref('stg_raw__llm_calls') }}
    where {{ in_windows('started_at') }} and purpose = 'judge'

),

charges as (

    select * from {{ ref('int_charges__by_call') }}

),

final as (

    select
        calls.started_at,
        calls.call_id,
        calls.provider,
        calls.requested_model as model,
        coalesce(calls.tags ->> 'judge', '(none)') as judge,
        coalesce(calls.tags ->> 'evaluator', '(none)') as evaluator,
        coalesce(calls.tags ->> 'evaluator_version', '(none)') as evaluator_version,
        calls.status,
        charges.input_uncached,
        charges.cache_read,
        charges.cache_write,
        charges.output_text,
        charges.reasoning,
        charges.amount_usd,
        case when charges.call_id is null then 'not_charged' else charges.unpriced_reason end as unpriced_reason
    from calls
    left join charges using (started_at, call_id)

)

select * from final
