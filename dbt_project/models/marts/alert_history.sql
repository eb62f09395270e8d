{{ config(materialized='view') }}

with events as (

    select * from {{ ref('stg_alerting__events') }}

),

silences as (

    select * from {{ ref('stg_alerting__silences') }}

),

mutes as (

    select * from {{ ref('stg_alerting__mutes') }}

),

acknowledgements as (

    select * from {{ ref('stg_alerting__acknowledgements') }}

),

messages as (

    select
        event_id,
        count(*) as n_messages,
        count(sent_at) as n_sent,
        count(dead_at) as n_given_up,
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
        ended.fingerprint,
        ended.happened_at,
        ended.rule,
        ended.group_key,
        ended.transition,
        ended.severity,
        ended.owner,
        ended.labels,
        ended.source,
        ended.value,
        ended.threshold,
        ended.n,
        ended.message,
        ended.since,
        ended.ended_at,
        extract(epoch from ended.ended_at - ended.happened_at)::double precision as lasted_seconds,
        acknowledgements.acknowledged_by,
        acknowledgements.acknowledged_at,
        acknowledgements.note as acknowledgement_note,
        exists (
            select from silences
            where ended.happened_at >= silences.starts_at
                and ended.happened_at < silences.ends_at
                and alerting.covers(
                    silences.rule, silences.group_key, silences.severity, silences.owner, silences.labels,
                    ended.rule, ended.group_key, ended.severity, ended.owner, ended.labels
                )
        ) as was_silenced,
        exists (
            select from mutes
            where mutes.rule = ended.rule
                and ended.happened_at >= mutes.starts_at
                and ended.happened_at < mutes.ends_at
        ) as was_muted,
        coalesce(messages.n_messages, 0) as n_messages,
        coalesce(messages.n_sent, 0) as n_sent,
        coalesce(messages.n_given_up, 0) as n_given_up,
        messages.first_sent_at
    from ended
    left join messages using (event_id)
    left join acknowledgements using (event_id)

)

select * from final
