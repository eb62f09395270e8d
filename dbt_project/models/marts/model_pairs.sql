{{ config(
    materialized='view',
    post_hook=["{{ create_compare_models() }}", "{{ create_compare_pairs() }}"],
) }}

-- For more than a day: compare_pairs(), which is made here with compare_models().
-- depends_on: {{ ref('traffic_mix') }}, {{ ref('judge_mix_daily') }}, {{ ref('calendar') }}

with pairs as (

    select
        day,
        evaluator,
        evaluator_version,
        {{ measure_of('evaluator') }} as measure,
        model,
        other_model,
        sum(n_prompts)::bigint as n_prompts,
        sum(sum_difference) as sum_difference,
        sum(sum_squared) as sum_squared
    from {{ ref('model_pairs_daily') }}
    where other_model <> '(rest)'
    group by 1, 2, 3, 4, 5, 6

),

compared as (

    select
        *,
        {{ matched_difference() }} as difference,
        {{ matched_bound('low') }} as difference_low,
        {{ matched_bound('high') }} as difference_high
    from pairs

),

final as (

    select
        day,
        evaluator,
        evaluator_version,
        measure,
        model,
        other_model,
        n_prompts,
        difference,
        difference_low,
        difference_high,
        {{ verdict_of('difference', 'n_prompts') }} as verdict
    from compared

)

select * from final
