{{ config(materialized='view') }}

with costs as (

    select * from {{ ref('unit_costs_daily') }}

),

grades as (

    select * from {{ ref('judge_quality_daily') }}

),

final as (

    select
        grades.day,
        grades.project,
        grades.model,
        grades.evaluator,
        grades.evaluator_version,
        grades.n_scored,
        grades.mean_score,
        costs.n_priced,
        costs.usd_per_call,
        costs.usd_per_call / nullif(grades.mean_score, 0)::numeric as usd_per_point
    from grades
    inner join costs using (day, project, model)

)

select * from final
