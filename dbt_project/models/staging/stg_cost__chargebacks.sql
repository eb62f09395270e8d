with source as (

    select * from {{ source('cost', 'chargebacks') }}

),

final as (

    select
        month,
        closed_at,
        closed_by,
        price_version,
        n_lines,
        amount_usd,
        encode(content_hash, 'hex') as content_hash
    from source

)

select * from final
