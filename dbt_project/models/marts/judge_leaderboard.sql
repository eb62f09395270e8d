{{ config(materialized='view') }}

-- The gate at work: a judge that people do not bear out is shown with its scores and ranks nobody.

with quality as (

    select * from {{ ref('judge_quality_daily') }}

),

calibrations as (

    select * from {{ ref('evaluator_calibrations') }}
    where stratum = 'overall'

),

gated as (

    select
        quality.day,
        quality.project,
        quality.evaluator,
        quality.evaluator_version,
        quality.model,
        quality.n_scored,
        quality.n_clusters,
        quality.mean_score,
        quality.mean_score_low,
        quality.mean_score_high,
        quality.coverage,
        coalesce(calibrations.calibration_state, 'uncalibrated') as calibration_state,
        coalesce(calibrations.may_alert, false) as may_rank
    from quality
    left join calibrations using (evaluator, evaluator_version)

),

final as (

    select
        *,
        case
            when may_rank then rank() over (
                partition by day, project, evaluator, evaluator_version
                order by mean_score desc
            )
        end as place
    from gated

)

select * from final
