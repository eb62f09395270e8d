with source as (

    select * from {{ source('alerting', 'events') }}

),

final as (

    select
        event_id,
        fingerprint,
        rule,
        group_key,
        transition,
        severity,
        owner,
        labels,
        source.source,
        value,
        threshold,
        n,
        message,
        since,
        happened_at
    from source

)

select * from final
