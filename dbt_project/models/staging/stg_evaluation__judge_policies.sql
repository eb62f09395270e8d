with source as (

    select * from {{ source('evaluation', 'judge_policies') }}

),

final as (

    select
        policy,
        rate,
        on_failure,
        models,
        prompts,
        projects,
        applies_from
    from source

)

select * from final
