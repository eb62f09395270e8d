with source as (

    select * from {{ source('evaluation', 'rules') }}

),

final as (

    select
        id as evaluator,
        version as evaluator_version,
        label,
        priority
    from source

)

select * from final
