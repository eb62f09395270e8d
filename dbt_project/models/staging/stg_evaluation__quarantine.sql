with source as (

    select * from {{ source('evaluation', 'quarantine') }}

),

final as (

    select
        started_at,
        call_id,
        check_name,
        reason,
        quarantined_at
    from source

)

select * from final
