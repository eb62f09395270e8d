{{ config(materialized='view') }}

with drift as (

    select * from {{ ref('stg_evaluation__golden_drift') }}

),

versions as (

    select * from {{ ref('stg_evaluation__evaluator_versions') }}

),

final as (

    select
        drift.day,
        drift.golden_set,
        versions.evaluator,
        versions.evaluator_version,
        drift.baseline_day,
        drift.n,
        drift.shift,
        drift.shift_low,
        drift.shift_high,
        drift.flips,
        drift.flips_low,
        drift.flips_high,
        drift.judge_models,
        drift.is_drift
    from drift
    inner join versions using (evaluator_version_id)

)

select * from final
