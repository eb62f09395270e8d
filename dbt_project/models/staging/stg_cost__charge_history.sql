with source as (

    select * from {{ source('cost_history', 'charge_history') }}

),

final as (

    select
        started_at,
        call_id,
        attempt,
        provider,
        model,
        price_version,
        amount_usd,
        unpriced_reason,
        charged_at,
        superseded_at,
        reason
    from source

)

select * from final
