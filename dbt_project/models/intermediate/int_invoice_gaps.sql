-- One row per provider, covered day, model and key, billed or charged: both sides' counts side by side, and what their
-- token counts and ours cost at our unit prices of that day. Families of tokens that can stand for one another
-- are input (uncached, read and written) and output; audio stands alone.

{%- set inputs = ['input_uncached', 'cache_read', 'cache_write', 'cache_write_1h'] %}
{%- set others = ['input_audio', 'output', 'output_audio'] %}

with billed as (

    select * from {{ ref('int_billed') }}

),

charged as (

    select * from {{ ref('int_charged') }}

),

days as (

    select * from {{ ref('int_invoice_days') }}

),

beside as (

    select
        provider,
        day,
        model,
        key_id,
        billed.invoice_ids,
        billed.service_tiers as billed_tiers,
        charged.service_tiers as charged_tiers,
        coalesce(billed.n_amounts, 0) as n_amounts,
        billed.n_requests as billed_requests,
        billed.amount_usd,
        coalesce(billed.fees_usd, 0) as fees_usd,
        coalesce(billed.has_tokens_lines, false) as has_tokens_lines,
        billed.input_uncached is not null or billed.output is not null or billed.cache_read is not null
            or billed.input_audio is not null as has_counts,
        billed.provider is null as is_not_billed,
        coalesce(charged.n_requests, 0) as charged_requests,
        coalesce(charged.n_without_usage, 0) as n_without_usage,
        coalesce(charged.n_unpriced, 0) as n_unpriced,
        coalesce(charged.their_day_usd, 0) as their_day_usd,
        coalesce(charged.utc_day_usd, 0) as utc_day_usd,
        {%- for bucket in inputs + others %}
        coalesce(billed.{{ bucket }}, 0)::numeric as billed_{{ bucket }},
        coalesce(charged.{{ bucket }}, 0)::numeric as charged_{{ bucket }},
        coalesce(charged.unpriced_{{ bucket }}, 0)::numeric as unpriced_{{ bucket }},
        {%- endfor %}
        case when model <> '(all)' then charged.usd_per_million end as card,
        (charged.usd_per_million ->> 'input_uncached')::numeric / 1000000 as usd_input_uncached,
        (charged.usd_per_million ->> 'cache_read')::numeric / 1000000 as usd_cache_read,
        {{ cache_write_price('charged.usd_per_million', 'cache_write', 'model') }} / 1000000 as usd_cache_write,
        {{ cache_write_price('charged.usd_per_million', 'cache_write_1h', 'model') }} / 1000000 as usd_cache_write_1h,
        (charged.usd_per_million ->> 'input_audio')::numeric / 1000000 as usd_input_audio,
        (charged.usd_per_million ->> 'output_text')::numeric / 1000000 as usd_output,
        (charged.usd_per_million ->> 'output_audio')::numeric / 1000000 as usd_output_audio
    from billed
    full join charged using (provider, day, model, key_id)

),

families as (

    select
        *,
        billed_{{ inputs | join(' + billed_') }} as billed_input,
        charged_{{ inputs | join(' + charged_') }} as charged_input,
        -- A bucket that somebody counted and our book has no price for leaves nothing to compare by.
        card is not null
        {%- for bucket in inputs + others %}
            and (billed_{{ bucket }} + charged_{{ bucket }} = 0 or usd_{{ bucket }} is not null)
        {%- endfor %} as has_prices
    from beside

),

priced as (

    select
        *,
        {%- for side in ['billed', 'charged', 'unpriced'] %}
        {%- for bucket in inputs + others %}
        {{ side }}_{{ bucket }} * coalesce(usd_{{ bucket }}, 0){{ " + " if not loop.last }}
        {%- endfor %} as {{ side }}_at_card,
        {%- endfor %}
        -- As many tokens of each family as were billed, in our shares of the cache.
        (
        {%- for bucket in inputs %}
            charged_{{ bucket }} * coalesce(usd_{{ bucket }}, 0){{ " + " if not loop.last }}
        {%- endfor %}
        ) * case when charged_input > 0 then billed_input / charged_input else 0 end
        + case when charged_input > 0 then 0 else
        {%- for bucket in inputs %}
            billed_{{ bucket }} * coalesce(usd_{{ bucket }}, 0){{ " + " if not loop.last }}
        {%- endfor %}
        end
        {%- for bucket in others %}
            + billed_{{ bucket }} * coalesce(usd_{{ bucket }}, 0)
        {%- endfor %} as mixed_at_card
    from families

),

final as (

    select
        priced.*,
        days.time_zone,
        days.tolerance,
        -- 1 where one price held all day; else what our mean price was of the newest.
        case when charged_at_card > 0 then their_day_usd / charged_at_card else 1 end as scale
    from priced
    inner join days using (provider, day)

)

select * from final
