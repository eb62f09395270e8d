with source as (

    select * from {{ source('evaluation', 'replay_points') }}

),

final as (

    select
        replay_id,
        rubric,
        model,
        is_incumbent,
        evaluator_version_id,
        judge_model,
        n_prompts,
        n_answered,
        n_graded,
        n_priced,
        n_pairs,
        represented,
        grade,
        grade_low,
        grade_high,
        grade_difference,
        grade_difference_low,
        grade_difference_high,
        usd_per_1k,
        usd_per_1k_low,
        usd_per_1k_high,
        usd_per_1k_difference,
        usd_per_1k_difference_low,
        usd_per_1k_difference_high,
        sample_usd,
        price_version,
        dominated_by,
        surely_dominated_by,
        unscored,
        computed_at
    from source

)

select * from final
