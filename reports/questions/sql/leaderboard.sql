-- What judges say of models
-- Which model do judges grade best on its newest day? Only a judge that people bear out gives places.
with newest as (

    select distinct on (project, evaluator, evaluator_version, model) *
    from marts.judge_leaderboard
    where day >= :since_day and day <= :until_day and :in(model)
    order by project, evaluator, evaluator_version, model, day desc

)

select
    day, project, evaluator, evaluator_version as version, model, n_scored, mean_score, mean_score_low as low,
    mean_score_high as high, coverage, calibration_state as judge_state, place
from newest
order by project, evaluator, evaluator_version, mean_score desc nulls last
limit 200
