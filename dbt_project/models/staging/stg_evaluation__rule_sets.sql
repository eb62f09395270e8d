with source as (

    select * from {{ source('evaluation', 'rule_sets') }}

),

final as (

    select
        id as rule_set_version,
        hash as rule_set_hash,
        current_from,
        current_to
    from source

)

select * from final
