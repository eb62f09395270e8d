with source as (

    select * from {{ source('evaluation', 'held_hours') }}

),

final as (

    select
        hour,
        n_failures,
        failed_at,
        retry_at
    from source

)

select * from final
