-- Models in the eyes of judges
-- Which model do judges grade higher than the others, beyond chance and beyond easier calls?
-- Only a judge whose state is "ok" is borne out by people's labels.
with calibrations as (

    select evaluator, evaluator_version, calibration_state
    from marts.evaluator_calibrations
    where stratum = 'overall'

)

select
    evaluator as judge,
    evaluator_version as version,
    model,
    n_scored,
    coverage,
    estimate as mean_grade,
    estimate_low as low,
    estimate_high as high,
    difference,
    verdict,
    standardised as on_one_mix,
    standardised_verdict as verdict_on_one_mix,
    n_matched_prompts,
    matched_difference,
    matched_verdict as verdict_on_same_prompts,
    coalesce(calibrations.calibration_state, 'uncalibrated') as judge_state
from marts.compare_models(:since_day, :until_day)
left join calibrations using (evaluator, evaluator_version)
where evaluator <> 'rules' and :in(model)
order by evaluator, evaluator_version, mean_grade desc nulls last
limit 200
