-- Models against the others
-- Which model fails less than all others: as the traffic was, on one mix of prompts, and on the same prompts?
with traffic as (

    select
        model,
        sum(n_error)::double precision / nullif(sum(n_calls), 0) as error_share,
        1000 * sum(amount_usd) / nullif(sum(n_priced), 0) as usd_per_1k_calls
    from marts.model_comparison
    where day >= :since_day and day <= :until_day and :in(model)
    group by model

)

select
    compared.model,
    compared.evaluator_version as rule_set,
    compared.n_calls,
    compared.n_scored,
    compared.estimate as fail_share,
    compared.estimate_low as fail_low,
    compared.estimate_high as fail_high,
    compared.difference,
    compared.difference_low,
    compared.difference_high,
    compared.verdict,
    compared.standardised as on_one_mix,
    compared.standardised_verdict as verdict_on_one_mix,
    compared.mix_coverage,
    compared.n_matched_prompts,
    compared.matched_difference,
    compared.matched_verdict as verdict_on_same_prompts,
    traffic.error_share,
    traffic.usd_per_1k_calls
from marts.compare_models(:since_day, :until_day, of_evaluator => 'rules') as compared
inner join traffic using (model)
order by compared.n_calls desc, compared.model, compared.evaluator_version
limit 100
