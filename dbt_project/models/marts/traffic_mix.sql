{{ config(tags=['daily']) }}

with calls as (

    select * from {{ ref('int_calls__with_mix') }}

),

final as (

    select
        day,
        project,
        model,
        prompt_class,
        language,
        length_band,
        coalesce(rule_set_version, 0)::integer as rule_set_version,
        count(*) as n_calls,
        count(*) filter (where status = 'ok') as n_ok,
        count(*) filter (where status = 'error') as n_error,
        count(is_failed) as n_scored,
        count(*) filter (where is_failed) as n_failed,
        count(amount_usd) as n_priced,
        sum(amount_usd) as amount_usd,
        {{ input_tokens() }} as input_tokens,
        {{ output_tokens() }} as output_tokens
    from calls
    group by 1, 2, 3, 4, 5, 6, 7

)

select * from final
