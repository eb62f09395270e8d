-- Prompts and their versions
-- Which version of a named prompt fails how often, on which model, at what price?
with versions as (

    select
        prompt_name,
        prompt_version,
        model,
        sum(n_calls)::bigint as n_calls,
        sum(n_scored)::bigint as n_scored,
        sum(n_failed)::bigint as n_failed,
        string_agg(distinct evaluator_version, ', ') filter (where n_scored > 0) as rule_sets,
        sum(n_priced)::bigint as n_priced,
        sum(amount_usd) as amount_usd
    from marts.quality_by_prompt
    where day >= :since_day and day <= :until_day and evaluator = 'rules'
    group by prompt_name, prompt_version, model

)

select
    prompt_name,
    prompt_version,
    model,
    n_calls,
    n_scored,
    n_failed::double precision / nullif(n_scored, 0) as fail_share,
    marts.wilson_low(n_failed, n_scored) as low,
    marts.wilson_high(n_failed, n_scored) as high,
    rule_sets,
    1000 * amount_usd / nullif(n_priced, 0) as usd_per_1k_calls
from versions
order by prompt_name, prompt_version, model
limit 200
