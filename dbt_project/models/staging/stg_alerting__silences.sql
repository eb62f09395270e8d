with source as (

    select * from {{ source('alerting', 'silences') }}

),

final as (

    select
        silence_id,
        rule,
        group_key,
        severity,
        owner,
        labels,
        starts_at,
        ends_at,
        reason,
        created_by,
        created_at
    from source

)

select * from final
