{{ config(indexes=[{'columns': ['template_id', 'day']}]) }}

with calls as (

    select
        (started_at at time zone 'UTC')::date as day,
        started_at,
        call_id,
        model,
        coalesce(prompt_version, '(none)') as prompt_version,
        is_failed
    from {{ ref('calls') }}
    where {{ on_window_days('started_at') }}

),

assignments as (

    select * from {{ ref('stg_evaluation__prompt_assignments') }}
    where {{ on_window_days('started_at') }}

),

prompts as (

    select
        calls.*,
        -- A call that waits for its template is counted, too.
        coalesce(assignments.template_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff') as template_id
    from calls
    left join assignments using (started_at, call_id)

),

totals as (

    select
        day,
        template_id,
        count(*) as n_calls,
        count(is_failed) as n_scored,
        count(*) filter (where is_failed) as n_failed,
        min(started_at) as first_seen_at,
        max(started_at) as last_seen_at,
        -- The failed ones first: an example is for looking at.
        (array_agg(call_id order by coalesce(is_failed, false) desc, started_at desc, call_id))[1:5] as example_call_ids
    from prompts
    group by 1, 2

),

models as (

    select
        day,
        template_id,
        jsonb_object_agg(model, jsonb_build_object('calls', n_calls, 'failed', n_failed)) as models
    from (
        select
            day,
            template_id,
            model,
            count(*) as n_calls,
            count(*) filter (where is_failed) as n_failed
        from prompts
        group by 1, 2, 3
    ) as by_model
    group by 1, 2

),

versions as (

    select
        day,
        template_id,
        jsonb_object_agg(prompt_version, jsonb_build_object('calls', n_calls, 'failed', n_failed)) as prompt_versions
    from (
        select
            day,
            template_id,
            prompt_version,
            count(*) as n_calls,
            count(*) filter (where is_failed) as n_failed
        from prompts
        group by 1, 2, 3
    ) as by_version
    group by 1, 2

),

final as (

    select
        day,
        template_id,
        totals.n_calls,
        totals.n_scored,
        totals.n_failed,
        totals.first_seen_at,
        totals.last_seen_at,
        models.models,
        versions.prompt_versions,
        totals.example_call_ids
    from totals
    inner join models using (day, template_id)
    inner join versions using (day, template_id)

)

select * from final
