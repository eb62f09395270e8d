-- One row per call of the days that the run's windows touch, with what is known of its prompt.

with calls as (

    select
        (started_at at time zone 'UTC')::date as day,
        *
    from {{ ref('calls') }}
    where {{ on_window_days('started_at') }}

),

assignments as (

    select * from {{ ref('stg_evaluation__prompt_assignments') }}
    where {{ on_window_days('started_at') }}

),

final as (

    select
        calls.*,
        assignments.prompt_hash,
        assignments.n_characters,
        coalesce(assignments.prompt_class, '(unknown)') as prompt_class,
        coalesce(assignments.language, '(unknown)') as language,
        {{ length_band('assignments.n_characters') }} as length_band
    from calls
    left join assignments using (started_at, call_id)

)

select * from final
