{{ config(tags=['daily']) }}

with calls as (

    select * from {{ ref('int_calls__with_mix') }}

),

judged as (

    select * from {{ ref('judged_calls') }}
    where {{ on_window_days('started_at') }}
        and weight is not null

),

clusters as (

    select
        calls.day,
        judged.evaluator,
        judged.evaluator_version,
        calls.project,
        calls.model,
        calls.prompt_class,
        calls.language,
        calls.length_band,
        judged.cluster,
        count(*) as count_scores,
        sum(judged.weight) as weight,
        sum(judged.weight * judged.value) as weighted
    from judged
    inner join calls using (started_at, call_id)
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9

),

final as (

    select
        day,
        evaluator,
        evaluator_version,
        project,
        model,
        prompt_class,
        language,
        length_band,
        sum(count_scores)::bigint as n_scored,
        {{ hajek_sums() }}
    from clusters
    group by 1, 2, 3, 4, 5, 6, 7, 8

)

select * from final
