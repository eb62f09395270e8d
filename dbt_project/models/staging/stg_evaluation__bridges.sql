with source as (

    select * from {{ source('evaluation', 'bridges') }}

),

final as (

    select
        from_version_id,
        to_version_id,
        evaluator,
        first_day,
        last_day,
        n_shared,
        mean_from,
        mean_to,
        agreement,
        kappa,
        shift,
        shift_low,
        shift_high,
        computed_at
    from source

)

select * from final
