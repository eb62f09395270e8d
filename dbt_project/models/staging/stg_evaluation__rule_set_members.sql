with source as (

    select * from {{ source('evaluation', 'rule_set_members') }}

),

final as (

    select
        rule_set_version,
        evaluator_version_id
    from source

)

select * from final
