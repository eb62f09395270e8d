with source as (

    select * from {{ source('cost', 'charges') }}

),

final as (

    select
        started_at,
        call_id,
        attempt,
        provider,
        model,
        price_version,
        input_uncached,
        cache_read,
        cache_write,
        cache_write_1h,
        input_audio,
        output_text,
        reasoning,
        output_audio,
        amount_usd,
        unpriced_reason,
        reported_usd,
        charged_at
    from source

)

select * from final
