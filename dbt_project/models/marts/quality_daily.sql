{{ config(tags=['daily']) }}

{%- set group = 'day, model, project, evaluator, evaluator_version' %}

with hours as (

    select
        (hour at time zone 'UTC')::date as day,
        *
    from {{ ref('quality_hourly') }}
    where {{ on_window_days('hour') }}

),

judged as (

    select
        (started_at at time zone 'UTC')::date as day,
        *
    from {{ ref('judged_calls') }}
    where {{ on_window_days('started_at') }}

),

ledger as (

    select
        {{ group }},
        kind,
        sum(n_eligible)::bigint as n_eligible,
        sum(n_scored)::bigint as n_scored,
        sum(n_failed)::bigint as n_failed,
        sum(n_unscored)::bigint as n_unscored,
        sum(n_sampled_out)::bigint as n_sampled_out,
        sum(n_pending)::bigint as n_pending
    from hours
    group by {{ group }}, kind

),

clusters as (

    select
        {{ group }},
        cluster,
        sum(weight) as weight,
        sum(weight * value) as weighted
    from judged
    group by {{ group }}, cluster

),

summed as (

    select
        {{ group }},
        {{ hajek_sums() }}
    from clusters
    group by {{ group }}

),

final as (

    select
        {{ group }},
        ledger.kind,
        ledger.n_eligible,
        ledger.n_scored,
        ledger.n_failed,
        ledger.n_unscored,
        ledger.n_sampled_out,
        ledger.n_pending,
        {{ share('ledger.n_scored - ledger.n_failed', 'ledger.n_scored') }} as pass_rate,
        {{ wilson_bound('(ledger.n_scored - ledger.n_failed)', 'ledger.n_scored', 'low') }} as pass_rate_low,
        {{ wilson_bound('(ledger.n_scored - ledger.n_failed)', 'ledger.n_scored', 'high') }} as pass_rate_high,
        case when ledger.kind <> 'rule' then coalesce(summed.n_clusters, 0) end as n_clusters,
        {{ hajek_mean() }} as mean_score,
        {{ hajek_bound('low') }} as mean_score_low,
        {{ hajek_bound('high') }} as mean_score_high,
        summed.sum_w,
        summed.sum_wy,
        summed.sum_ww,
        summed.sum_wwy,
        summed.sum_wywy,
        {{ share('ledger.n_scored', 'ledger.n_eligible') }} as coverage
    from ledger
    left join summed using ({{ group }})

)

select * from final
