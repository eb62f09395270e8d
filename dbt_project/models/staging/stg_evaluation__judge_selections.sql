with source as (

    select * from {{ source('evaluation', 'judge_selections') }}

),

final as (

    select
        started_at,
        call_id,
        policy,
        probability,
        phase,
        is_failure,
        stratum,
        selected_at
    from source

)

select * from final
