with source as (

    select * from {{ source('evaluation', 'judge_days') }}

),

final as (

    select
        evaluator_version_id,
        day,
        policy,
        first_run_at,
        last_run_at,
        topped_up_at
    from source

)

select * from final
