-- Evaluators, with interval and coverage
-- What share passes each rule, in which version, for how much of the traffic does that speak, how sure is it?
with days as (

    select
        evaluator, evaluator_version, kind, n_eligible, n_scored, n_failed, n_unscored, n_sampled_out, n_pending,
        n_clusters, sum_w, sum_wy, sum_ww, sum_wwy, sum_wywy
    from marts.quality_daily
    where day >= :since_day and day <= :until_day
        and :in(project) and :in(model) and :in(evaluator)

),

sums as (

    select
        evaluator,
        evaluator_version,
        kind,
        sum(n_eligible)::bigint as n_eligible,
        sum(n_scored)::bigint as n_scored,
        sum(n_failed)::bigint as n_failed,
        sum(n_unscored)::bigint as n_unscored,
        sum(n_sampled_out)::bigint as n_sampled_out,
        sum(n_pending)::bigint as n_pending,
        sum(n_clusters)::double precision as n_clusters,
        sum(sum_w) as w,
        sum(sum_wy) as wy,
        sum(sum_ww) as ww,
        sum(sum_wwy) as wwy,
        sum(sum_wywy) as wywy
    from days
    group by evaluator, evaluator_version, kind

)

select
    evaluator,
    evaluator_version as version,
    kind,
    n_eligible,
    n_scored,
    n_scored::double precision / nullif(n_eligible, 0) as coverage,
    1 - n_failed::double precision / nullif(n_scored, 0) as pass_rate,
    marts.wilson_low(n_scored - n_failed, n_scored) as low,
    marts.wilson_high(n_scored - n_failed, n_scored) as high,
    wy / nullif(w, 0) as mean_grade,
    marts.mean_low(n_clusters, w, wy, ww, wwy, wywy) as grade_low,
    marts.mean_high(n_clusters, w, wy, ww, wwy, wywy) as grade_high,
    n_unscored,
    n_sampled_out,
    n_pending
from sums
order by kind, pass_rate nulls last, evaluator, evaluator_version
limit 200
