with source as (

    select * from {{ source('evaluation', 'day_checks') }}

),

final as (

    select
        day,
        check_name,
        passed,
        n,
        severity,
        checked_at
    from source

)

select * from final
