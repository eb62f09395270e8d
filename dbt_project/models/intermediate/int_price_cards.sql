-- One row per set of price rows that charges of the run's windows used: what each kind of token costs by it, the
-- kinds that those charges did not use as well. A sibling is a row of the same model, tier and floor, valid with it;
-- one of the very same span before others, as a price of all times was valid in each past span, too.

with prices as (

    select * from {{ ref('stg_cost__prices') }}

),

used as (

    select distinct price_row_ids
    from {{ ref('stg_cost__charges') }}
    where {{ in_windows('started_at') }} and price_row_ids <> '{}'

),

direct as (

    select
        used.price_row_ids,
        ids.id
    from used
    cross join lateral unnest(used.price_row_ids::bigint[]) as ids (id)

),

anchored as (

    select
        direct.price_row_ids,
        prices.*
    from direct
    inner join prices using (id)

),

candidates as (

    select
        anchored.price_row_ids,
        anchored.service_tier,
        siblings.bucket,
        siblings.usd_per_million,
        siblings.id = anchored.id as is_used,
        siblings.valid_from = anchored.valid_from
        and siblings.valid_to is not distinct from anchored.valid_to as is_same_span,
        siblings.superseded_at,
        siblings.valid_from,
        siblings.id
    from anchored
    inner join prices as siblings
        on siblings.model = anchored.model
        and siblings.provider is not distinct from anchored.provider
        and siblings.match = anchored.match
        and siblings.min_input_tokens = anchored.min_input_tokens
        and siblings.service_tier = anchored.service_tier
        and siblings.valid_from < coalesce(anchored.valid_to, 'infinity')
        and coalesce(siblings.valid_to, 'infinity') > anchored.valid_from
        and siblings.price_version <= anchored.price_version

),

chosen as (

    select distinct on (price_row_ids, bucket) *
    from candidates
    order by
        price_row_ids, bucket, is_used desc, is_same_span desc, superseded_at desc nulls first, valid_from desc, id desc

),

final as (

    select
        price_row_ids,
        min(service_tier) as service_tier,
        jsonb_object_agg(bucket, usd_per_million) as usd_per_million
    from chosen
    group by price_row_ids

)

select * from final
