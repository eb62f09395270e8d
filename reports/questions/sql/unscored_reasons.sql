-- Why calls have no verdict
-- Which evaluators could not judge, for what reason, how often?
select
    coverage.evaluator,
    coverage.evaluator_version as version,
    reasons.reason,
    sum(reasons.n_calls::bigint)::bigint as n_calls
from marts.evaluation_coverage as coverage
cross join jsonb_each_text(coverage.unscored_by_reason) as reasons (reason, n_calls)
where coverage.day >= :since_day and coverage.day <= :until_day and :in(evaluator)
group by 1, 2, 3
order by n_calls desc
limit 100
