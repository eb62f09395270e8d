{#- By day too: readers ask for days, and the primary key begins with the hour. -#}
{{ config(indexes=[{'columns': ["((hour at time zone 'UTC')::date)"]}]) }}

with charges as (

    select * from {{ ref('int_charges__in_window') }}

),

cards as (

    select * from {{ ref('int_price_cards') }}

),

carded as (

    select
        charges.*,
        coalesce(cards.service_tier, '(none)') as service_tier,
        cards.usd_per_million,
        -- What reading from the cache saved against reading anew, less what writing to it cost on top. A price that
        -- the card lacks counts as no difference: most models have none for writes that last an hour.
        case
            when cards.usd_per_million is not null then coalesce(
                charges.cache_read * (
                    (cards.usd_per_million ->> 'input_uncached')::numeric
                    - (cards.usd_per_million ->> 'cache_read')::numeric
                ),
                0
            ) * 0.000001
        end as read_saved_usd,
        case
            when cards.usd_per_million is not null then (
                coalesce(
                    charges.cache_write * (
                        {{ cache_write_price('cards.usd_per_million', 'cache_write', 'charges.model') }}
                        - (cards.usd_per_million ->> 'input_uncached')::numeric
                    ),
                    0
                )
                + coalesce(
                    charges.cache_write_1h * (
                        {{ cache_write_price('cards.usd_per_million', 'cache_write_1h', 'charges.model') }}
                        - (cards.usd_per_million ->> 'input_uncached')::numeric
                    ),
                    0
                )
            ) * 0.000001
        end as write_premium_usd
    from charges
    left join cards using (price_row_ids)

),

final as (

    select
        date_trunc('hour', started_at, 'UTC') as hour,
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
        count(*) as n_attempts,
        count(*) filter (where is_last) as n_calls,
        count(amount_usd) as n_priced,
        count(unpriced_reason) as n_unpriced,
        count(*) filter (where unpriced_reason = 'no_usage') as n_without_usage,
        max(price_version) as price_version,
        sum(input_uncached)::bigint as input_uncached,
        sum(cache_read)::bigint as cache_read,
        sum(cache_write)::bigint as cache_write,
        sum(cache_write_1h)::bigint as cache_write_1h,
        sum(input_audio)::bigint as input_audio,
        sum(input_image)::bigint as input_image,
        sum(output_text)::bigint as output_text,
        sum(reasoning)::bigint as reasoning,
        sum(output_audio)::bigint as output_audio,
        sum(output_image)::bigint as output_image,
        sum(amount_usd) as amount_usd,
        sum(reported_usd) as reported_usd,
        sum(read_saved_usd) as cache_read_saved_usd,
        sum(write_premium_usd) as cache_write_premium_usd,
        (array_agg(usd_per_million order by started_at desc, call_id desc) filter (where usd_per_million is not null))[1]
            as usd_per_million
    from carded
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11

)

select * from final
