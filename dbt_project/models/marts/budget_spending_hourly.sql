-- Spending by the proxies' own count, beside what the same calls were charged.

with reservations as (

    select * from {{ ref('stg_raw__reservations') }}
    where {{ in_windows('started_at') }} and spent_usd is not null

),

calls as (

    select * from {{ ref('stg_raw__llm_calls') }}
    where {{ in_windows('started_at') }}

),

charges as (

    select * from {{ ref('int_charges__by_call') }}

),

budgets as (

    select * from {{ ref('stg_access__budgets') }}

),

compared as (

    select
        reservations.*,
        calls.project,
        calls.key_id,
        calls.user_id,
        charges.amount_usd is not null as is_priced,
        coalesce(charges.charged_usd, 0) as charged_usd,
        reservations.spent_usd - coalesce(charges.charged_usd, 0) as gap_usd
    from reservations
    left join calls using (started_at, call_id)
    left join charges using (started_at, call_id)

),

entries as (

    select
        compared.*,
        account,
        split_part(account, '@', 1) as budget_id,
        split_part(split_part(account, '@', 2), '#', 1) as period,
        split_part(account, '#', 2) as subject_tag
    from compared
    cross join lateral unnest(string_to_array(compared.accounts, ' ')) as listed (account)

),

final as (

    select
        date_trunc('hour', entries.started_at, 'UTC') as hour,
        entries.account,
        entries.budget_id,
        entries.period,
        entries.subject_tag,
        coalesce(
            nullif(budgets.subject, '*'),
            case budgets.scope
                when 'user' then max(entries.user_id)
                when 'project' then max(entries.project)
                when 'key' then max(entries.key_id)
            end
        ) as subject,
        count(*) as n_calls,
        sum(entries.spent_usd) as spent_usd,
        sum(entries.charged_usd) as charged_usd,
        coalesce(
            sum(entries.gap_usd) filter (where not entries.is_presumed and not entries.is_priced), 0
        ) as unpriced_usd,
        coalesce(sum(entries.gap_usd) filter (where entries.is_presumed), 0) as without_end_usd,
        coalesce(
            sum(entries.gap_usd) filter (where not entries.is_presumed and entries.is_priced), 0
        ) as differing_usd
    from entries
    left join budgets using (budget_id)
    group by 1, 2, 3, 4, 5, budgets.scope, budgets.subject

)

select * from final
