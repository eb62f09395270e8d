-- Cost and quality of the same prompts
-- Which model is better, or as good and cheaper, on recorded prompts that were replayed?
with newest as (

    -- The newest replay of each rubric: points of two samples are not on one frontier.
    select distinct on (rubric) rubric, replay_id
    from marts.cost_quality_frontier
    where day >= :since_day and day <= :until_day
    order by rubric, computed_at desc

)

select
    model,
    rubric,
    case when is_incumbent then 'now' else verdict end as verdict,
    grade,
    grade_low,
    grade_high,
    grade_difference as difference,
    grade_difference_low as difference_low,
    grade_difference_high as difference_high,
    usd_per_1k as usd_per_1k_calls,
    usd_per_1k_low,
    usd_per_1k_high,
    n_graded,
    n_prompts,
    array_to_string(dominated_by, '; ') as dominated_by,
    judge_model,
    evaluator_version,
    day,
    replay_usd + judging_usd as spent_usd
from marts.cost_quality_frontier
inner join newest using (rubric, replay_id)
where :in(model) or is_incumbent
order by rubric, usd_per_1k
limit 200
