-- One row per provider, covered day, model and key, billed or charged: both sides' counts side by side, and what their
-- token counts and ours cost at our unit prices of that day. Families of tokens that can stand for one another
-- are input (uncached, read, written and images, which not every bill tells apart) and output; audio stands alone, and
-- so do images of the output.

{%- set inputs = ['input_uncached', 'cache_read', 'cache_write', 'cache_write_1h', 'input_image'] %}
{%- set others = ['input_audio', 'output', 'output_audio', 'output_image'] %}

with billed as (

    select * from {{ ref('int_billed') }}

),

charged as (

    select * from {{ ref('int_charged') }}

),

-- Not a full join: a reader's days would not get through it, and each would compare all of history.
sides as (

    select
        provider,
        day,
        model,
        key_id,
        time_zone,
        tolerance,
        true as is_billed,
        invoice_ids,
        service_tiers as billed_tiers,
        null::text[] as charged_tiers,
        n_amounts,
        n_requests as billed_requests,
        amount_usd,
        fees_usd,
        has_tokens_lines,
        coalesce(input_uncached, output, cache_read, input_audio, input_image, output_image) is not null as has_counts,
        null::bigint as charged_requests,
        null::bigint as n_without_usage,
        null::bigint as n_unpriced,
        null::numeric as their_day_usd,
        null::numeric as utc_day_usd,
        {%- for bucket in inputs + others %}
        {{ bucket }} as billed_{{ bucket }},
        null::bigint as charged_{{ bucket }},
        null::bigint as unpriced_{{ bucket }},
        {%- endfor %}
        null::jsonb as usd_per_million
    from billed
    union all
    select
        provider,
        day,
        model,
        key_id,
        time_zone,
        tolerance,
        false as is_billed,
        null::bigint[] as invoice_ids,
        null::text[] as billed_tiers,
        service_tiers as charged_tiers,
        null::bigint as n_amounts,
        null::bigint as billed_requests,
        null::numeric as amount_usd,
        null::numeric as fees_usd,
        null::boolean as has_tokens_lines,
        null::boolean as has_counts,
        n_requests as charged_requests,
        n_without_usage,
        n_unpriced,
        their_day_usd,
        utc_day_usd,
        {%- for bucket in inputs + others %}
        null::bigint as billed_{{ bucket }},
        {{ bucket }} as charged_{{ bucket }},
        unpriced_{{ bucket }},
        {%- endfor %}
        usd_per_million
    from charged

),

-- At most one row of either side.
beside as (

    select
        provider,
        day,
        model,
        key_id,
        max(time_zone) as time_zone,
        max(tolerance) as tolerance,
        max(invoice_ids) as invoice_ids,
        max(billed_tiers) as billed_tiers,
        max(charged_tiers) as charged_tiers,
        coalesce(max(n_amounts), 0) as n_amounts,
        max(billed_requests) as billed_requests,
        max(amount_usd) as amount_usd,
        coalesce(max(fees_usd), 0) as fees_usd,
        coalesce(bool_or(has_tokens_lines), false) as has_tokens_lines,
        coalesce(bool_or(has_counts), false) as has_counts,
        not bool_or(is_billed) as is_not_billed,
        coalesce(max(charged_requests), 0) as charged_requests,
        coalesce(max(n_without_usage), 0) as n_without_usage,
        coalesce(max(n_unpriced), 0) as n_unpriced,
        coalesce(max(their_day_usd), 0) as their_day_usd,
        coalesce(max(utc_day_usd), 0) as utc_day_usd,
        {%- for bucket in inputs + others %}
        coalesce(max(billed_{{ bucket }}), 0)::numeric as billed_{{ bucket }},
        coalesce(max(charged_{{ bucket }}), 0)::numeric as charged_{{ bucket }},
        coalesce(max(unpriced_{{ bucket }}), 0)::numeric as unpriced_{{ bucket }},
        {%- endfor %}
        (array_agg(usd_per_million) filter (where usd_per_million is not null))[1] as prices
    from sides
    group by 1, 2, 3, 4

),

-- Of all models at once there is no price.
carded as (

    select
        *,
        case when model <> '(all)' then prices end as card,
        (prices ->> 'input_uncached')::numeric / 1000000 as usd_input_uncached,
        (prices ->> 'cache_read')::numeric / 1000000 as usd_cache_read,
        {{ cache_write_price('prices', 'cache_write', 'model') }} / 1000000 as usd_cache_write,
        {{ cache_write_price('prices', 'cache_write_1h', 'model') }} / 1000000 as usd_cache_write_1h,
        (prices ->> 'input_audio')::numeric / 1000000 as usd_input_audio,
        {{ image_input_price('prices') }} / 1000000 as usd_input_image,
        (prices ->> 'output_text')::numeric / 1000000 as usd_output,
        (prices ->> 'output_audio')::numeric / 1000000 as usd_output_audio,
        (prices ->> 'output_image')::numeric / 1000000 as usd_output_image
    from beside

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
    from carded

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
        *,
        -- 1 where one price held all day; else what our mean price was of the newest.
        case when charged_at_card > 0 then their_day_usd / charged_at_card else 1 end as scale
    from priced

)

select * from final
