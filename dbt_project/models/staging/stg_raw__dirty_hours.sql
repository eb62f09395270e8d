with source as (

    select * from {{ source('raw', 'dirty_hours') }}

),

final as (

    select
        hour,
        stage,
        version,
        changed_at
    from source

)

select * from final
