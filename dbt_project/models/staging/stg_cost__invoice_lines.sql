with source as (

    select * from {{ source('cost', 'invoice_lines') }}

),

final as (

    select
        invoice_id,
        line,
        provider,
        day,
        kind,
        item,
        model,
        key_id as invoice_key,
        project,
        service_tier,
        n_requests,
        input_uncached,
        cache_read,
        cache_write,
        cache_write_1h,
        input_audio,
        input_image,
        output,
        output_audio,
        output_image,
        amount_usd,
        superseded_by
    from source

)

select * from final
