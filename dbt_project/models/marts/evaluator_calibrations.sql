{{ config(materialized='view') }}

with versions as (

    select * from {{ ref('stg_evaluation__evaluator_versions') }}

),

calibrations as (

    select * from {{ ref('stg_evaluation__calibrations') }}

),

-- A version that nobody has compared stands here, too: whoever asks must not find nothing and go on.
compared as (

    select
        versions.evaluator,
        versions.evaluator_version,
        versions.kind,
        versions.status,
        coalesce(calibrations.stratum, 'overall') as stratum,
        coalesce(calibrations.name, '') as name,
        coalesce(calibrations.n, 0) as n,
        coalesce(calibrations.n_clusters, 0) as n_clusters,
        calibrations.agreement,
        calibrations.agreement_low,
        calibrations.agreement_high,
        calibrations.kappa,
        calibrations.kappa_low,
        calibrations.kappa_high,
        (calibrations.figures -> 'human_alpha' ->> 'value')::double precision as human_alpha,
        coalesce((calibrations.figures -> 'human_alpha' ->> 'n')::integer, 0) as n_human_alpha,
        (calibrations.figures -> 'precision' ->> 'value')::double precision as failure_precision,
        coalesce((calibrations.figures -> 'precision' ->> 'n')::integer, 0) as n_failure_precision,
        (calibrations.figures -> 'recall' ->> 'value')::double precision as failure_recall,
        coalesce((calibrations.figures -> 'recall' ->> 'n')::integer, 0) as n_failure_recall,
        (calibrations.figures -> 'parse_errors' ->> 'value')::double precision as parse_error_rate,
        coalesce((calibrations.figures -> 'parse_errors' ->> 'n')::integer, 0) as n_parse_error_rate,
        (calibrations.figures -> 'flips' ->> 'value')::double precision as flip_rate,
        coalesce((calibrations.figures -> 'flips' ->> 'n')::integer, 0) as n_flip_rate,
        coalesce(calibrations.state, 'uncalibrated') as calibration_state,
        coalesce(calibrations.reasons, array['nobody has compared it with people''s labels']) as reasons,
        calibrations.state_since,
        calibrations.computed_at
    from versions
    left join calibrations using (evaluator_version_id)

),

final as (

    select
        *,
        status <> 'draft' and case
            when kind = 'rule' then calibration_state <> 'degraded'
            else calibration_state = 'ok'
        end as may_alert
    from compared

)

select * from final
