with source as (

    select * from {{ source('cost', 'prices') }}

),

final as (

    select
        id,
        provider,
        model,
        match,
        bucket,
        usd_per_million,
        min_input_tokens,
        service_tier,
        currency,
        valid_from,
        valid_to,
        recorded_at,
        superseded_at,
        source as price_source,
        price_version
    from source

)

select * from final
