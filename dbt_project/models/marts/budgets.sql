{{ config(materialized='view') }}

-- Budgets in the present day or month. Hours that the marts have not seen yet are read from the reservations, so that
-- what is spent is as new as the loaders are. Accounts of before a rotation of keys are the first key's.

with budgets as (

    select
        *,
        to_char(now() at time zone 'UTC', case period when 'day' then 'YYYY-MM-DD' else 'YYYY-MM' end) as stamp,
        date_trunc(period, now() at time zone 'UTC')::date as period_start,
        (date_trunc(period, now() at time zone 'UTC') + ('1 ' || period)::interval) at time zone 'UTC' as resets_at,
        -- Whole cycles: of a day's hours, of a week's days. What is younger counts as an hour, or a day, at least.
        date_trunc('hour', now() - case period when 'day' then interval '24 hours' else interval '168 hours' end, 'UTC')
            as recent_from,
        -- To know whether it is younger than that.
        case period
            when 'day' then date_trunc('hour', now(), 'UTC') - interval '168 hours'
            else date_trunc('month', now(), 'UTC') - interval '168 hours'
        end as read_from,
        case period when 'day' then 1 else 24 end as least_hours
    from {{ ref('stg_access__budgets') }}

),

unseen as (

    select distinct hour
    from {{ ref('stg_raw__dirty_hours') }}
    where stage = 'calls' and hour >= date_trunc('month', now(), 'UTC') - interval '168 hours'

),

-- One pass over the hours: of all users of a month they are many.
modelled as (

    select
        budgets.budget_id,
        hours.subject_tag as tag,
        max(hours.subject) as subject,
        sum(hours.spent_usd) filter (where hours.period = budgets.stamp) as seen_usd,
        sum(hours.spent_usd) filter (where hours.period = budgets.stamp and unseen.hour is null) as spent_usd,
        sum(hours.n_calls) filter (where hours.period = budgets.stamp and unseen.hour is null) as n_calls,
        sum(hours.charged_usd) filter (where hours.period = budgets.stamp) as charged_usd,
        sum(hours.unpriced_usd) filter (where hours.period = budgets.stamp) as unpriced_usd,
        sum(hours.without_end_usd) filter (where hours.period = budgets.stamp) as without_end_usd,
        sum(hours.differing_usd) filter (where hours.period = budgets.stamp) as differing_usd,
        sum(hours.spent_usd) filter (where hours.hour >= budgets.recent_from and unseen.hour is null) as recent_usd,
        min(hours.hour) as first_hour
    from {{ ref('budget_spending_hourly') }} as hours
    inner join budgets on hours.budget_id = budgets.budget_id and hours.hour >= budgets.read_from
    left join unseen on hours.hour = unseen.hour
    where hours.hour >= date_trunc('month', now(), 'UTC') - interval '168 hours'
    group by 1, 2

),

spools as (

    select * from {{ ref('stg_ingest__spools') }}

),

-- The reservations are named in each place, not in one CTE on top: that one would be read whole, with all of history.
landed as (

    select
        unseen.hour,
        account,
        sum(reservations.spent_usd) as spent_usd,
        count(*) as n_calls
    from unseen
    inner join {{ ref('stg_raw__reservations') }} as reservations
        on reservations.started_at >= unseen.hour and reservations.started_at < unseen.hour + interval '1 hour'
    cross join lateral unnest(string_to_array(reservations.accounts, ' ')) as listed (account)
    where reservations.spent_usd is not null
    group by 1, 2

),

unmodelled as (

    select
        budgets.budget_id,
        split_part(landed.account, '#', 2) as tag,
        sum(landed.spent_usd) filter (where accounts.period = budgets.stamp) as spent_usd,
        sum(landed.n_calls) filter (where accounts.period = budgets.stamp) as n_calls,
        sum(landed.spent_usd) filter (where landed.hour >= budgets.recent_from) as recent_usd,
        min(landed.hour) as first_hour
    from landed
    cross join lateral (
        select
            split_part(landed.account, '@', 1) as budget_id,
            split_part(split_part(landed.account, '@', 2), '#', 1) as period
    ) as accounts
    inner join budgets on accounts.budget_id = budgets.budget_id and landed.hour >= budgets.read_from
    group by 1, 2

),

spending as (

    select
        budget_id,
        tag,
        modelled.subject,
        case
            when coalesce(modelled.spent_usd, unmodelled.spent_usd) is not null
                then coalesce(modelled.spent_usd, 0) + coalesce(unmodelled.spent_usd, 0)
        end as spent_usd,
        (coalesce(modelled.n_calls, 0) + coalesce(unmodelled.n_calls, 0))::bigint as n_calls,
        coalesce(modelled.recent_usd, 0) + coalesce(unmodelled.recent_usd, 0) as recent_usd,
        least(modelled.first_hour, unmodelled.first_hour) as first_hour,
        coalesce(modelled.seen_usd, 0) as seen_usd,
        coalesce(modelled.charged_usd, 0) as charged_usd,
        coalesce(modelled.unpriced_usd, 0) as unpriced_usd,
        coalesce(modelled.without_end_usd, 0) as without_end_usd,
        coalesce(modelled.differing_usd, 0) as differing_usd
    from modelled
    full join unmodelled using (budget_id, tag)

),

held as (

    select
        budgets.budget_id,
        split_part(account, '#', 2) as tag,
        sum(reservations.reserved_usd) as reserved_usd,
        count(*) as n_open,
        min(reservations.started_at) as oldest_open_at
    from {{ ref('stg_raw__reservations') }} as reservations
    cross join lateral unnest(string_to_array(reservations.accounts, ' ')) as listed (account)
    inner join budgets
        on split_part(account, '@', 1) = budgets.budget_id
        and split_part(split_part(account, '@', 2), '#', 1) = budgets.stamp
    where reservations.spent_usd is null
    group by 1, 2

),

present as (

    select
        budget_id,
        tag
    from spending
    where spent_usd is not null
    union
    select
        budget_id,
        tag
    from held

),

lines as (

    select
        budgets.*,
        coalesce(present.tag, case when budgets.subject <> '*' then '' end) as tag
    from budgets
    left join present using (budget_id)

),

-- A proxy that nobody hears of makes all of it old: it may have spent since.
read_at as (

    select coalesce(min(seen_at) filter (where retired_at is null), max(seen_at)) as as_of
    from spools

),

figures as (

    select
        lines.budget_id,
        lines.scope,
        case
            when lines.subject <> '*' then lines.subject
            when lines.tag is null then '*'
            else coalesce(api_keys.key_id, spending.subject, lines.tag)
        end as subject,
        lines.subject = '*' as is_each,
        lines.period,
        lines.period_start,
        lines.resets_at,
        lines.limit_usd,
        coalesce(held.reserved_usd, 0) as reserved_usd,
        coalesce(spending.spent_usd, 0) as spent_usd,
        coalesce(spending.charged_usd, 0) as charged_usd,
        coalesce(spending.unpriced_usd, 0) as unpriced_usd,
        coalesce(spending.without_end_usd, 0) as without_end_usd,
        coalesce(spending.differing_usd, 0) as differing_usd,
        coalesce(spending.spent_usd, 0) - coalesce(spending.seen_usd, 0) as waiting_usd,
        coalesce(spending.n_calls, 0) as n_calls,
        coalesce(held.n_open, 0) as n_open,
        held.oldest_open_at,
        (
            spending.recent_usd * 3600 / greatest(
                extract(epoch from now() - greatest(lines.recent_from, spending.first_hour)), 3600 * lines.least_hours
            )
        )::double precision as usd_per_hour,
        extract(epoch from lines.resets_at - now())::double precision / 3600 as hours_left,
        read_at.as_of
    from lines
    left join spending using (budget_id, tag)
    left join held using (budget_id, tag)
    left join {{ ref('stg_access__api_keys') }} as api_keys on lines.scope = 'key' and api_keys.tag = lines.tag
    cross join read_at

),

projected as (

    select
        *,
        spent_usd::double precision + coalesce(usd_per_hour, 0) * hours_left as projected_usd,
        spent_usd + reserved_usd >= limit_usd as is_used_up
    from figures

),

final as (

    select
        budget_id,
        scope,
        subject,
        is_each,
        period,
        period_start,
        resets_at,
        limit_usd,
        reserved_usd,
        spent_usd,
        charged_usd,
        spent_usd - charged_usd as gap_usd,
        unpriced_usd,
        without_end_usd,
        differing_usd,
        waiting_usd,
        case when limit_usd > 0 then (spent_usd / limit_usd)::double precision else 1 end as share_spent,
        usd_per_hour,
        projected_usd,
        case
            when not is_used_up and projected_usd >= limit_usd and usd_per_hour > 0
                then now() + interval '1 hour' * greatest((limit_usd - spent_usd)::double precision / usd_per_hour, 0)
        end as projected_breach_at,
        case
            when is_used_up then 'used up'
            when projected_usd >= limit_usd then 'will be used up'
            else 'within'
        end as state,
        n_calls,
        n_open,
        oldest_open_at,
        as_of
    from projected

)

select * from final
