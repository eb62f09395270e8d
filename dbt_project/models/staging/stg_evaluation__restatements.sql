with source as (

    select * from {{ source('evaluation', 'restatements') }}

),

final as (

    select
        restatement_id,
        day,
        stage,
        n_calls_before,
        n_calls_after,
        reason,
        restated_at
    from source

)

select * from final
