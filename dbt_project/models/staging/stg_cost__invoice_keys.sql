with source as (

    select * from {{ source('cost', 'invoice_keys') }}

),

final as (

    select
        provider,
        invoice_key,
        key_id
    from source

)

select * from final
