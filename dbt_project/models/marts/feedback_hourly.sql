with feedback as (

    select
        date_trunc('hour', started_at, 'UTC') as hour,
        *
    from {{ ref('feedback') }}
    where {{ in_windows('started_at') }}

),

calls as (

    select * from {{ ref('calls_hourly') }}
    where {{ in_windows('hour') }}

),

given as (

    select
        hour,
        model,
        project,
        name,
        count(*) as n_feedback,
        count(value) as n_values,
        count(*) filter (where value > 0) as n_positive,
        count(label) as n_labels,
        count(comment) as n_comments,
        sum(value) as value_sum
    from feedback
    group by 1, 2, 3, 4

),

labelled as (

    select
        hour,
        model,
        project,
        name,
        label,
        count(*) as n_feedback
    from feedback
    where label is not null
    group by 1, 2, 3, 4, 5

),

labels as (

    select
        hour,
        model,
        project,
        name,
        jsonb_object_agg(label, n_feedback) as labels
    from labelled
    group by 1, 2, 3, 4

),

called as (

    select
        hour,
        model,
        project,
        sum(n_calls)::bigint as n_calls
    from calls
    group by 1, 2, 3

),

final as (

    select
        given.hour,
        given.model,
        given.project,
        given.name,
        coalesce(called.n_calls, 0) as n_calls,
        given.n_feedback,
        given.n_values,
        given.n_positive,
        given.n_labels,
        given.n_comments,
        given.value_sum,
        coalesce(labels.labels, '{}') as labels,
        {{ share('given.value_sum', 'given.n_values') }} as value_mean,
        {{ share('given.n_positive', 'given.n_values') }} as positive_share,
        {{ wilson_bound('given.n_positive', 'given.n_values', 'low') }} as positive_share_low,
        {{ wilson_bound('given.n_positive', 'given.n_values', 'high') }} as positive_share_high,
        {{ share('given.n_feedback', 'called.n_calls') }} as coverage
    from given
    left join labels using (hour, model, project, name)
    left join called using (hour, model, project)

)

select * from final
