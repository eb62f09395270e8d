with source as (

    select * from {{ source('evaluation', 'rule_results') }}

),

final as (

    select
        started_at,
        call_id,
        rule_set_version,
        failed,
        unscored,
        evidence,
        attempts,
        scored_at
    from source

)

select * from final
