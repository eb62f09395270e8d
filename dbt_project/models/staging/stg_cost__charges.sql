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
        -- Text, because dbt's unit tests cannot make up an array.
        price_row_ids::text as price_row_ids,
        input_uncached,
        cache_read,
        cache_write,
        cache_write_1h,
        input_audio,
        input_image,
        output_text,
        reasoning,
        output_audio,
        output_image,
        amount_usd,
        unpriced_reason,
        reported_usd,
        charged_at
    from source

)

select * from final
