{{ config(materialized='view') }}

with alerts as (

    select * from {{ ref('stg_alerting__alerts') }}

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
        source,
        acknowledged_by,
        acknowledged_at,
        acknowledgement_note,
        silenced_until,
        muted_until,
        evaluated_at
    from alerts

)

select * from final
