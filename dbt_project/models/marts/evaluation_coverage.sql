with hours as (

    select
        (hour at time zone 'UTC')::date as day,
        *
    from {{ ref('quality_hourly') }}
    where {{ on_window_days('hour') }}

),

counted as (

    select
        day,
        evaluator,
        evaluator_version,
        kind,
        sum(n_eligible)::bigint as n_eligible,
        sum(n_scored)::bigint as n_scored,
        sum(n_failed)::bigint as n_failed,
        sum(n_unscored)::bigint as n_unscored,
        sum(n_sampled_out)::bigint as n_sampled_out,
        sum(n_pending)::bigint as n_pending
    from hours
    group by 1, 2, 3, 4

),

reasons as (

    select
        hours.day,
        hours.evaluator,
        hours.evaluator_version,
        unscored.reason,
        sum(unscored.count_calls::bigint)::bigint as count_calls
    from hours
    cross join jsonb_each_text(hours.unscored_by_reason) as unscored (reason, count_calls)
    group by 1, 2, 3, 4

),

unscored as (

    select
        day,
        evaluator,
        evaluator_version,
        jsonb_object_agg(reason, count_calls) as unscored_by_reason
    from reasons
    group by 1, 2, 3

),

final as (

    select
        counted.day,
        counted.evaluator,
        counted.evaluator_version,
        counted.kind,
        counted.n_eligible,
        counted.n_scored,
        counted.n_failed,
        counted.n_unscored,
        coalesce(unscored.unscored_by_reason, '{}') as unscored_by_reason,
        counted.n_sampled_out,
        counted.n_pending,
        {{ share('counted.n_scored', 'counted.n_eligible') }} as coverage
    from counted
    left join unscored using (day, evaluator, evaluator_version)

)

select * from final
