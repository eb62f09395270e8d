with source as (

    select * from {{ source('evaluation', 'feedback') }}

),

final as (

    select
        call_id,
        started_at,
        name,
        value,
        label,
        comment,
        at as given_at,
        key_id,
        landed_at
    from source

)

select * from final
