with source as (

    select * from {{ source('raw', 'reservations') }}

),

final as (

    select
        started_at,
        call_id,
        -- Text, because dbt's unit tests cannot make up an array. No account holds a space.
        array_to_string(accounts, ' ') as accounts,
        reserved_usd,
        spent_usd,
        is_presumed,
        spool_id
    from source

)

select * from final
