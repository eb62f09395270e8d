-- Users whose calls fail
-- For whom do most calls fail, surely, in the last seven days of the span? Ranked by the interval's lower end.
with users as (

    select
        user_id,
        sum(n_calls)::bigint as n_calls,
        sum(n_scored)::bigint as n_scored,
        sum(n_failed)::bigint as n_failed,
        min(evaluator_version) filter (where n_scored > 0) as rule_set,
        max(evaluator_version) filter (where n_scored > 0) as other_rule_set,
        sum(amount_usd) as amount_usd
    from marts.quality_by_user
    where day >= greatest(:since_day, :until_day - 6) and day <= :until_day
        and evaluator = 'rules' and :in(project) and :in(model)
    group by user_id

)

select
    user_id,
    n_calls,
    n_scored,
    n_failed,
    n_failed::double precision / nullif(n_scored, 0) as fail_share,
    marts.wilson_low(n_failed, n_scored) as low,
    marts.wilson_high(n_failed, n_scored) as high,
    concat_ws(', ', rule_set, nullif(other_rule_set, rule_set)) as rule_sets,
    amount_usd
from users
order by low desc nulls last, n_calls desc
limit 50
