{{ config(materialized='view') }}

with rates as (

    select * from {{ ref('stg_evaluation__pass_rates') }}

),

versions as (

    select * from {{ ref('stg_evaluation__evaluator_versions') }}

),

calibrations as (

    select * from {{ ref('stg_evaluation__calibrations') }}
    where stratum = 'overall'

),

final as (

    select
        rates.day,
        versions.evaluator,
        versions.evaluator_version,
        rates.stratum,
        rates.name,
        rates.n,
        rates.n_clusters,
        rates.n_parse_errors,
        rates.raw as raw_pass_rate,
        rates.raw_low as raw_pass_rate_low,
        rates.raw_high as raw_pass_rate_high,
        rates.n_labels,
        rates.corrected as corrected_pass_rate,
        rates.corrected_low as corrected_pass_rate_low,
        rates.corrected_high as corrected_pass_rate_high,
        rates.trust,
        rates.label_saving,
        rates.not_corrected,
        coalesce(calibrations.state, 'uncalibrated') as calibration_state
    from rates
    inner join versions using (evaluator_version_id)
    left join calibrations using (evaluator_version_id)

)

select * from final
