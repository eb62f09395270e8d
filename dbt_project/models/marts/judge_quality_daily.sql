{{ config(tags=['daily']) }}

with judged as (

    select
        (started_at at time zone 'UTC')::date as day,
        *
    from {{ ref('judged_calls') }}
    where {{ on_window_days('started_at') }}

),

ledger as (

    select
        (hour at time zone 'UTC')::date as day,
        model,
        project,
        evaluator,
        evaluator_version,
        sum(n_eligible)::bigint as n_eligible
    from {{ ref('quality_hourly') }}
    where {{ on_window_days('hour') }} and kind <> 'rule'
    group by 1, 2, 3, 4, 5

),

clusters as (

    select
        day,
        model,
        project,
        evaluator,
        evaluator_version,
        cluster,
        count(*) as count_scores,
        sum(weight) as weight,
        sum(weight * value) as weighted
    from judged
    group by 1, 2, 3, 4, 5, 6

),

summed as (

    select
        day,
        model,
        project,
        evaluator,
        evaluator_version,
        sum(count_scores)::bigint as n_scored,
        {{ hajek_sums() }}
    from clusters
    group by 1, 2, 3, 4, 5

),

final as (

    select
        day,
        model,
        project,
        evaluator,
        evaluator_version,
        coalesce(ledger.n_eligible, summed.n_scored) as n_eligible,
        summed.n_scored,
        summed.n_clusters,
        {{ hajek_mean() }} as mean_score,
        {{ hajek_bound('low') }} as mean_score_low,
        {{ hajek_bound('high') }} as mean_score_high,
        {{ share('summed.n_scored', 'coalesce(ledger.n_eligible, summed.n_scored)') }} as coverage
    from summed
    left join ledger using (day, model, project, evaluator, evaluator_version)

)

select * from final
