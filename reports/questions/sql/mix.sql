-- What models are asked
-- Does one model get other traffic than another? By language and class of prompt, at most the last 28 days.
select
    model,
    language,
    prompt_class,
    sum(n_calls)::bigint as n_calls,
    sum(n_calls)::double precision / sum(sum(n_calls)) over (partition by model)::double precision as share,
    sum(n_failed)::double precision / nullif(sum(n_scored), 0) as fail_share
from marts.traffic_mix
where day >= greatest(:since_day, :until_day - 27) and day <= :until_day and :in(model)
group by model, language, prompt_class
order by model, n_calls desc
limit 200
