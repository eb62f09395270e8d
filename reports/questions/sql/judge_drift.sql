-- Has a judge moved?
-- Do judges grade the same golden items as they did on the first day? What moves here is the judge.
select day, golden_set, evaluator, evaluator_version as version, n, shift, shift_low, shift_high, flips, is_drift
from marts.judge_drift
where day >= :since_day and day <= :until_day and :in(evaluator)
order by day desc, golden_set, evaluator
limit 200
