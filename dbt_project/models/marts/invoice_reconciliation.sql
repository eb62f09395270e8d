{{ config(materialized='view') }}

with gaps as (

    select * from {{ ref('int_invoice_gaps') }}

),

-- A usage report bills tokens: they cost what our book says. Nothing billed for our calls is a bill of 0.
based as (

    select
        *,
        case
            when n_amounts > 0 then 'cost'
            when is_not_billed then 'not_billed'
            else 'usage'
        end as basis,
        case
            when n_amounts > 0 then amount_usd
            when is_not_billed then 0
            when has_prices then scale * billed_at_card
        end as billed_usd
    from gaps

),

differences as (

    select
        *,
        their_day_usd - utc_day_usd as time_zone_usd,
        billed_usd - utc_day_usd as gap_usd,
        billed_usd - their_day_usd - fees_usd as open_usd,
        charged_requests + n_without_usage = 0 as is_unseen,
        -- A fee or a credit alone bills no call.
        is_not_billed or not has_tokens_lines as is_unbilled
    from based

),

-- What more or fewer tokens cost at our mean price, and what another share of the cache does.
volumes as (

    select
        *,
        case
            when is_unseen or is_unbilled then open_usd
            when has_counts and has_prices then scale * (mixed_at_card - charged_at_card)
            when not has_counts and charged_requests > 0 and billed_requests is not null
                then their_day_usd * (billed_requests - charged_requests) / charged_requests
            else 0
        end as volume_usd,
        case
            when is_unseen or is_unbilled or not has_counts or not has_prices then 0
            else scale * (billed_at_card - mixed_at_card)
        end as cache_usd
    from differences

),

-- Of the volume: what we saw and have no price for, attempts that never told their usage, and the rest.
split as (

    select
        *,
        -- Never less than nothing, and no more than their tokens cost by our prices, where there are any.
        case
            when is_unseen or is_unbilled or n_unpriced <= n_without_usage then 0
            when has_prices and has_counts then least(greatest(volume_usd, 0), scale * unpriced_at_card)
            when has_prices then least(greatest(open_usd - volume_usd - cache_usd, 0), scale * unpriced_at_card)
            else greatest(open_usd - volume_usd - cache_usd, 0)
        end as unpriced_usd,
        case
            when is_unseen or is_unbilled or n_without_usage = 0 then 0
            when billed_requests is null then 1
            when billed_requests <= charged_requests then 0
            else least(1, n_without_usage::numeric / (billed_requests - charged_requests))
        end as retried_share
    from volumes

),

caused as (

    select
        *,
        greatest(volume_usd - case when has_prices and has_counts then unpriced_usd else 0 end, 0) * retried_share
            as retries_usd,
        open_usd - volume_usd - cache_usd
            - case when not has_prices or not has_counts then unpriced_usd else 0 end as price_usd
    from split

),

rested as (

    select
        *,
        volume_usd - retries_usd
            - case when has_prices and has_counts then unpriced_usd else 0 end as calls_not_seen_usd,
        case when abs(price_usd) <= 0.005 * n_amounts then price_usd else 0 end as rounding_usd,
        case
            when abs(price_usd) > 0.005 * n_amounts and not billed_tiers <@ coalesce(charged_tiers, '{}') then price_usd
            else 0
        end as tier_usd
    from caused

),

judged as (

    select
        *,
        price_usd - rounding_usd - tier_usd as unexplained_usd,
        greatest(tolerance * abs(billed_usd), 0.01) as allowed_usd
    from rested

),

final as (

    select
        provider,
        day,
        model,
        key_id,
        case
            when billed_usd is null and is_unseen then 'not matched'
            when billed_usd is null then 'no price'
            when abs(gap_usd - time_zone_usd) <= allowed_usd then 'matched'
            -- Calls that nothing tells the price of would explain any bill.
            when unpriced_usd > allowed_usd and not has_prices then 'no price'
            when abs(unexplained_usd) <= allowed_usd then 'explained'
            else 'not matched'
        end as verdict,
        basis,
        billed_usd,
        utc_day_usd as charged_usd,
        gap_usd,
        calls_not_seen_usd,
        retries_usd,
        unpriced_usd,
        cache_usd,
        tier_usd,
        fees_usd,
        time_zone_usd,
        rounding_usd,
        unexplained_usd,
        allowed_usd,
        billed_requests,
        charged_requests,
        n_without_usage,
        n_unpriced,
        case when has_counts then billed_input::bigint end as billed_input_tokens,
        charged_input::bigint as charged_input_tokens,
        case when has_counts then billed_cache_read::bigint end as billed_cache_read_tokens,
        charged_cache_read::bigint as charged_cache_read_tokens,
        case when has_counts then billed_output::bigint end as billed_output_tokens,
        charged_output::bigint as charged_output_tokens,
        billed_tiers,
        charged_tiers,
        time_zone,
        tolerance,
        invoice_ids
    from judged

)

select * from final
