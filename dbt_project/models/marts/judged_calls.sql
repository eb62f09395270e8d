with judged as (

    select * from {{ ref('int_judged_calls__in_window') }}

),

final as (

    select
        started_at,
        call_id,
        model,
        project,
        evaluator,
        evaluator_version,
        value,
        weight,
        cluster
    from judged
    where outcome = 'scored'

)

select * from final
