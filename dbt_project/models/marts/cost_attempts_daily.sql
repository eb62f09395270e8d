{{ config(materialized='view') }}

with hours as (

    select * from {{ ref('cost_hourly') }}

),

days as (

    select
        (hour at time zone 'UTC')::date as day,
        provider,
        model,
        project,
        environment,
        key_id,
        prompt_name,
        prompt_version,
        purpose,
        line,
        service_tier,
        {%- for name in [
            'n_attempts', 'n_calls', 'n_priced', 'n_unpriced', 'input_uncached', 'cache_read', 'cache_write',
            'cache_write_1h', 'input_audio', 'input_image', 'output_text', 'reasoning', 'output_audio', 'output_image',
        ] %}
        sum({{ name }})::bigint as {{ name }},
        {%- endfor %}
        sum(amount_usd) as amount_usd,
        sum(reported_usd) as reported_usd,
        sum(cache_read_saved_usd) - coalesce(sum(cache_write_premium_usd), 0) as cache_saved_usd
    from hours
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11

),

final as (

    select
        day,
        date_trunc('week', day)::date as week,
        date_trunc('month', day)::date as month,
        {%- for name in [
            'provider', 'model', 'project', 'environment', 'key_id', 'prompt_name', 'prompt_version', 'purpose', 'line',
            'service_tier', 'n_attempts', 'n_calls', 'n_priced', 'n_unpriced', 'input_uncached', 'cache_read',
            'cache_write', 'cache_write_1h', 'input_audio', 'input_image', 'output_text', 'reasoning', 'output_audio',
            'output_image', 'amount_usd', 'reported_usd', 'cache_saved_usd',
        ] %}
        {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    from days

)

select * from final
