with source as (

    select * from {{ source('evaluation', 'replay_claims') }}

),

final as (

    select
        replay_id,
        purpose,
        subject,
        reserved_usd,
        spent_usd,
        is_known,
        call_id,
        claimed_at,
        settled_at
    from source

)

select * from final
