-- Models on the same prompts
-- Of two models that answered the same prompts, which fails more? Above 0 the first one does.
select
    model,
    other_model,
    evaluator_version as rule_set,
    n_prompts,
    difference,
    difference_low as low,
    difference_high as high,
    verdict
from marts.compare_pairs(:since_day, :until_day, of_evaluator => 'rules')
where :in(model)
order by model, other_model, rule_set
limit 200
