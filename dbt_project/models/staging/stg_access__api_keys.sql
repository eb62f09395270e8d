with source as (

    select * from {{ source('access', 'api_keys') }}

),

final as (

    select
        key_id,
        owner,
        project,
        -- How the proxy names a subject in an account (ingest/limits/subjects.py).
        left(encode(sha256(convert_to(key_id, 'UTF8')), 'hex'), 24) as tag
    from source

)

select * from final
