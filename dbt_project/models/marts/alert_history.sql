{{ config(materialized='view') }}

with events as (

    select * from {{ ref('stg_alerting__events') }}

),

silences as (

    select * from {{ ref('stg_alerting__silences') }}

),

messages as (

    select
        event_id,
        count(*) as n_messages,
        count(sent_at) as n_sent,
        min(sent_at) as first_sent_at
    from {{ ref('stg_alerting__outbox') }}
    group by event_id

),

-- What came next of the same rule and group: for an alert that began, its end.
followed as (

    select
        *,
        lead(transition) over by_time as next_transition,
        lead(happened_at) over by_time as next_at
    from events
    window by_time as (partition by rule, group_key, transition in ('firing', 'resolved') order by happened_at)

),

ended as (

    select
        *,
        case when transition = 'firing' and next_transition = 'resolved' then next_at end as ended_at
    from followed

),

final as (

    select
        ended.event_id,
        ended.happened_at,
        ended.rule,
        ended.group_key,
        ended.transition,
        ended.severity,
        ended.value,
        ended.threshold,
        ended.n,
        ended.message,
        ended.ended_at,
        extract(epoch from ended.ended_at - ended.happened_at)::double precision as lasted_seconds,
        exists (
            select from silences
            where silences.rule in ('*', ended.rule)
                and silences.group_key in ('*', ended.group_key)
                and ended.happened_at >= silences.starts_at
                and ended.happened_at < silences.ends_at
        ) as was_silenced,
        coalesce(messages.n_messages, 0) as n_messages,
        coalesce(messages.n_sent, 0) as n_sent,
        messages.first_sent_at
    from ended
    left join messages using (event_id)

)

select * from final
