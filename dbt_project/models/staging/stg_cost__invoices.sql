with source as (

    select * from {{ source('cost', 'invoices') }}

),

final as (

    select
        invoice_id,
        source as file_name,
        format,
        account,
        time_zone,
        tolerance,
        n_lines,
        first_day,
        last_day,
        -- Text, because dbt's unit tests cannot make up an array.
        providers::text as providers,
        amount_usd,
        imported_at,
        withdrawn_at
    from source

)

select * from final
