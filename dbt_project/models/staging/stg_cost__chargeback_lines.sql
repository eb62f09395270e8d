with source as (

    select * from {{ source('cost', 'chargeback_lines') }}

),

final as (

    select
        month,
        of_month,
        project,
        key_id,
        provider,
        model,
        purpose,
        line,
        n_attempts,
        n_calls,
        n_unpriced,
        amount_usd
    from source

)

select * from final
