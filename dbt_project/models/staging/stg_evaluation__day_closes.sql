with source as (

    select * from {{ source('evaluation', 'day_closes') }}

),

final as (

    select
        day,
        n_calls,
        closed_at,
        reopened_at
    from source

)

select * from final
