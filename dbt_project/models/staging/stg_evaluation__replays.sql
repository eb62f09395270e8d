with source as (

    select * from {{ source('evaluation', 'replays') }}

),

final as (

    select
        replay_id,
        window_start,
        window_end,
        (settings ->> 'seed')::bigint as seed,
        models,
        max_usd,
        outcome,
        started_at,
        finished_at
    from source

)

select * from final
