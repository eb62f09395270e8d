with source as (

    select * from {{ source('ingest', 'spools') }}

),

final as (

    select
        spool_id,
        host,
        path,
        low_watermark,
        seen_at,
        retired_at
    from source

)

select * from final
