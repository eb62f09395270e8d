-- People change their minds: the newest opinion of a call and a name counts, the others are only numbered.

with opinions as (

    select * from {{ ref('stg_evaluation__feedback') }}
    where {{ in_windows('started_at') }}

),

calls as (

    select * from {{ ref('calls') }}
    where {{ in_windows('started_at') }}

),

numbered as (

    select
        *,
        row_number() over (
            partition by started_at, call_id, name
            order by given_at desc, landed_at desc
        ) as age,
        count(*) over (partition by started_at, call_id, name) as n_opinions
    from opinions

),

newest as (

    select * from numbered
    where age = 1

),

final as (

    select
        newest.started_at,
        newest.call_id,
        newest.name,
        newest.value,
        newest.label,
        newest.comment,
        newest.given_at,
        newest.n_opinions,
        calls.call_id is not null as has_call,
        calls.provider,
        coalesce(calls.model, '(unknown)') as model,
        coalesce(calls.project, '(unknown)') as project,
        calls.environment,
        calls.user_id,
        calls.session_id,
        calls.prompt_name,
        calls.prompt_version,
        calls.is_failed
    from newest
    left join calls using (started_at, call_id)

)

select * from final
