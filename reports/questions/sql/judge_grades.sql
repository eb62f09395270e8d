-- Judges' mean grade, by judge, version and model
-- How do judges grade the answers, 1 to 5? Weighted, a line per project. Imported scores have scales of their own.
select
    day::timestamp at time zone 'UTC' as time,
    evaluator || ' ' || evaluator_version || ' · ' || model || ' · ' || project as judge,
    mean_score as value
from marts.judge_quality_daily
where day >= :since_day and day <= :until_day
    and :in(project) and :in(model) and :in(evaluator)
order by 1, 2
