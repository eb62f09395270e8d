with source as (

    select * from {{ source('alerting', 'alerts') }}

),

final as (

    select
        fingerprint,
        rule,
        group_key,
        dimensions,
        labels,
        state,
        since,
        value,
        threshold,
        n,
        severity,
        owner,
        message,
        source.source,
        acknowledged_by,
        acknowledged_at,
        acknowledgement_note,
        silenced_until,
        muted_until,
        evaluated_at
    from source

)

select * from final
