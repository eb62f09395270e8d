{{ config(tags=['daily']) }}

-- The same prompt, answered by two models within the day. Below 16 characters a message means what stood before it
-- ("yes", "go on"), so equal ones are no match.

{%- set prompt = 'day, project, prompt_name, prompt_version, prompt_hash, evaluator, evaluator_version' %}

with calls as (

    select * from {{ ref('int_calls__with_mix') }}
    where prompt_hash is not null
        and n_characters >= 16

),

judged as (

    select * from {{ ref('judged_calls') }}
    where {{ on_window_days('started_at') }}
        and weight is not null

),

scores as (

    select
        day,
        project,
        coalesce(prompt_name, '') as prompt_name,
        coalesce(prompt_version, '') as prompt_version,
        prompt_hash,
        'rules' as evaluator,
        rule_set_version::text as evaluator_version,
        model,
        is_failed::integer::double precision as value,
        1::double precision as weight
    from calls
    where is_failed is not null
    union all
    select
        calls.day,
        calls.project,
        coalesce(calls.prompt_name, ''),
        coalesce(calls.prompt_version, ''),
        calls.prompt_hash,
        judged.evaluator,
        judged.evaluator_version,
        calls.model,
        judged.value,
        judged.weight
    from judged
    inner join calls using (started_at, call_id)

),

-- A model that answered a prompt many times says one thing of it.
answers as (

    select
        {{ prompt }},
        model,
        sum(weight * value order by value, weight) / sum(weight order by weight) as value
    from scores
    group by {{ prompt }}, model

),

shared as (

    select
        *,
        count(*) over same_prompt as count_models,
        sum(value) over same_prompt as sum_values
    from answers
    window same_prompt as (partition by {{ prompt }})

),

matched as (

    select * from shared
    where count_models > 1

),

pairs as (

    select
        one.day,
        one.evaluator,
        one.evaluator_version,
        one.project,
        one.model,
        other.model as other_model,
        one.value - other.value as difference
    from matched as one
    inner join matched as other
        using ({{ prompt }})
    where one.model <> other.model
    union all
    select
        day,
        evaluator,
        evaluator_version,
        project,
        model,
        '(rest)',
        value - (sum_values - value) / (count_models - 1)
    from matched

),

final as (

    select
        day,
        evaluator,
        evaluator_version,
        project,
        model,
        other_model,
        count(*) as n_prompts,
        -- In order: floating sums must not depend on how rows came.
        sum(difference order by difference) as sum_difference,
        sum(difference ^ 2 order by difference ^ 2) as sum_squared
    from pairs
    group by 1, 2, 3, 4, 5, 6

)

select * from final
