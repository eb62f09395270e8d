-- How far evaluators agree with people
-- Which evaluators may be believed, and alert?
select
    evaluator,
    evaluator_version as version,
    kind,
    status,
    calibration_state as state,
    may_alert,
    n,
    agreement,
    kappa,
    kappa_low,
    kappa_high,
    human_alpha,
    array_to_string(reasons, '; ') as reasons
from marts.evaluator_calibrations
where stratum = 'overall' and status <> 'retired' and :in(evaluator)
order by evaluator, evaluator_version
limit 200
