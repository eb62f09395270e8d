with source as (

    select * from {{ source('evaluation', 'golden_drift') }}

),

final as (

    select
        golden_set,
        evaluator_version_id,
        day,
        baseline_day,
        n,
        shift,
        shift_low,
        shift_high,
        flips,
        flips_low,
        flips_high,
        judge_models,
        is_drift
    from source

)

select * from final
