-- Models against the others
-- Which model fails less than all others: as the traffic was, on one mix of prompts, and on the same prompts?
with traffic as (

    select
        model,
        sum(n_calls)::bigint as n_calls,
        sum(n_error)::double precision / nullif(sum(n_calls), 0) as error_share,
        1000 * sum(amount_usd) / nullif(sum(n_priced), 0) as usd_per_1k_calls
    from marts.model_comparison
    where day >= :since_day and day <= :until_day and :in(model)
    group by model

)

select
    traffic.model,
    compared.evaluator_version as rule_set,
    traffic.n_calls,
    coalesce(compared.n_scored, 0) as n_scored,
    compared.estimate as fail_share,
    compared.estimate_low as fail_low,
    compared.estimate_high as fail_high,
    compared.difference,
    compared.difference_low,
    compared.difference_high,
    coalesce(compared.verdict, 'not enough data') as verdict,
    compared.standardised as on_one_mix,
    coalesce(compared.standardised_verdict, 'not enough data') as verdict_on_one_mix,
    compared.mix_coverage,
    compared.n_matched_prompts,
    compared.matched_difference,
    coalesce(compared.matched_verdict, 'not enough data') as verdict_on_same_prompts,
    traffic.error_share,
    traffic.usd_per_1k_calls
from traffic
left join marts.compare_models(:since_day, :until_day, of_evaluator => 'rules') as compared using (model)
order by traffic.n_calls desc, traffic.model, compared.evaluator_version
limit 100
