"""The SQL of the report: marts alone, and days in UTC whatever the session's time zone is.

Parameters: `chart`, `before`, `first` and `end` are days, and `chart_at`, `before_at`, `first_at`, `end_at`
the moments at which they begin; `models` are the names that the report shows.
"""

from typing import LiteralString

FRESHNESS: LiteralString = """
select
    (select max(hour) from marts.calls_hourly),
    -- A changed hour waits in several stages, and is one hour.
    coalesce((select max(n_hours) from marts.refresh_backlog), 0)::bigint,
    (select max(day) from marts.day_states where is_closed)
"""

TRAFFIC: LiteralString = """
select
    (hour at time zone 'UTC')::date as day,
    sum(n_calls)::bigint,
    sum(n_error)::bigint,
    sum(n_interrupted + n_client_gone)::bigint
from marts.calls_hourly
where hour >= %(chart_at)s and hour < %(end_at)s
group by 1
order by 1
"""

FAILING: LiteralString = """
select
    (hour at time zone 'UTC')::date as day,
    rule_set_version,
    sum(n_failed)::bigint,
    sum(n_scored)::bigint
from marts.failing_hourly
where hour >= %(chart_at)s and hour < %(end_at)s
group by 1, 2
order by 1, 2
"""

# Every model of the week, the busiest first; what is not shown by name still counts in "all others".
MODELS: LiteralString = """
with traffic as (
    select
        model,
        sum(n_calls)::bigint as n_calls,
        sum(n_error)::bigint as n_error,
        sum(n_interrupted + n_client_gone)::bigint as n_cut,
        sum(n_priced)::bigint as n_priced,
        sum(n_unpriced)::bigint as n_unpriced,
        sum(amount_usd) as amount_usd,
        sum(failed_attempts_usd) as failed_attempts_usd,
        max(price_version) as price_version
    from marts.calls_hourly
    where hour >= %(first_at)s and hour < %(end_at)s
    group by model
    order by n_calls desc, model
    limit %(most)s
),

failing as (
    select
        model,
        coalesce(sum(n_failed) filter (where hour >= %(first_at)s), 0)::bigint as n_failed,
        coalesce(sum(n_scored) filter (where hour >= %(first_at)s), 0)::bigint as n_scored,
        array_agg(distinct rule_set_version order by rule_set_version)
            filter (where hour >= %(first_at)s) as versions,
        coalesce(sum(n_failed) filter (where hour < %(first_at)s), 0)::bigint as n_failed_before,
        coalesce(sum(n_scored) filter (where hour < %(first_at)s), 0)::bigint as n_scored_before,
        array_agg(distinct rule_set_version order by rule_set_version)
            filter (where hour < %(first_at)s) as versions_before
    from marts.failing_hourly
    where hour >= %(before_at)s and hour < %(end_at)s
    group by model
)

select
    model, n_calls, n_error, n_cut, n_priced, n_unpriced, amount_usd, failed_attempts_usd, price_version,
    n_failed, n_scored, versions, n_failed_before, n_scored_before, versions_before
from traffic
left join failing using (model)
order by n_calls desc, model
"""

FAILING_OF_MODELS: LiteralString = """
select
    model,
    (hour at time zone 'UTC')::date as day,
    sum(n_failed)::bigint,
    sum(n_scored)::bigint,
    array_agg(distinct rule_set_version order by rule_set_version)
from marts.failing_hourly
where hour >= %(chart_at)s and hour < %(end_at)s and model = any(%(models)s)
group by 1, 2
order by 1, 2
"""

# '(all)' is every model together.
LATENCY_DAYS: LiteralString = """
select period, n_calls, p50_ms, p95_ms
from marts.latency_percentiles(%(chart)s::date, %(end)s::date - 1, 'day')
where model = '(all)'
order by period
"""

LATENCY_WEEKS: LiteralString = """
select period, n_calls, p50_ms, p95_ms
from marts.latency_percentiles(%(before)s::date, %(end)s::date - 1, 'week')
where model = '(all)'
"""

LATENCY_OF_MODELS: LiteralString = """
select model, n_calls, p50_ms, p95_ms
from marts.latency_percentiles(%(first)s::date, %(end)s::date - 1, 'all', 'latency', %(models)s)
where model = any(%(models)s)
"""

COST: LiteralString = """
select
    day >= %(first)s as is_week,
    sum(n_priced)::bigint,
    sum(n_unpriced)::bigint,
    sum(amount_usd),
    sum(failed_attempts_usd),
    max(price_version)
from marts.cost_daily
where day >= %(before)s and day < %(end)s
group by 1
"""

# Models beyond the ones that a chart has colours for are one.
COST_DAYS: LiteralString = """
with sums as (
    select model, sum(amount_usd) as amount_usd
    from marts.cost_daily
    where day >= %(chart)s and day < %(end)s
    group by 1
    having sum(amount_usd) is not null
),

ranked as (
    select model, row_number() over (order by amount_usd desc, model) as place
    from sums
)

select
    cost.day,
    case when ranked.place <= %(most_colours)s then cost.model end as model,
    sum(cost.amount_usd),
    sum(cost.n_priced)::bigint,
    min(ranked.place) as place
from marts.cost_daily as cost
inner join ranked using (model)
where cost.day >= %(chart)s and cost.day < %(end)s and cost.amount_usd is not null
group by 1, 2
order by place, 1
"""

JUDGE_COST: LiteralString = """
select
    judge,
    evaluator,
    evaluator_version,
    sum(n_priced)::bigint,
    sum(n_unpriced)::bigint,
    sum(amount_usd)
from marts.judge_cost_daily
where day >= %(first)s and day < %(end)s
group by 1, 2, 3
order by sum(amount_usd) desc nulls last, 1, 2, 3
"""

EVALUATORS: LiteralString = """
with days as (
    select * from marts.evaluation_coverage
    where day >= %(before)s and day < %(end)s
),

reasons as (
    select evaluator, evaluator_version, jsonb_object_agg(reason, n) as reasons
    from (
        select days.evaluator, days.evaluator_version, each.reason, sum(each.n::bigint) as n
        from days
        cross join jsonb_each_text(days.unscored_by_reason) as each (reason, n)
        where days.day >= %(first)s
        group by 1, 2, 3
    ) as counted
    group by 1, 2
)

select
    evaluator,
    evaluator_version,
    kind,
    sum(n_eligible) filter (where day >= %(first)s)::bigint,
    sum(n_unscored) filter (where day >= %(first)s)::bigint,
    sum(n_sampled_out) filter (where day >= %(first)s)::bigint,
    sum(n_pending) filter (where day >= %(first)s)::bigint,
    sum(n_scored) filter (where day >= %(first)s)::bigint,
    sum(n_failed) filter (where day >= %(first)s)::bigint,
    coalesce(sum(n_failed) filter (where day < %(first)s), 0)::bigint,
    coalesce(sum(n_scored) filter (where day < %(first)s), 0)::bigint,
    coalesce(max(reasons::text)::jsonb, '{}')
from days
left join reasons using (evaluator, evaluator_version)
group by 1, 2, 3
having sum(n_eligible) filter (where day >= %(first)s) > 0
order by kind = 'rule', sum(n_failed) filter (where day >= %(first)s) desc nulls last, evaluator, 2
"""

# Means are of sums: a mean of means would count a quiet model as much as a busy one.
JUDGE_DAYS: LiteralString = """
select
    day,
    evaluator,
    evaluator_version,
    sum(sum_wy) / nullif(sum(sum_w), 0),
    marts.mean_low(sum(n_clusters), sum(sum_w), sum(sum_wy), sum(sum_ww), sum(sum_wwy), sum(sum_wywy)),
    marts.mean_high(sum(n_clusters), sum(sum_w), sum(sum_wy), sum(sum_ww), sum(sum_wwy), sum(sum_wywy)),
    sum(n_scored)::bigint,
    sum(n_eligible)::bigint,
    kind
from marts.quality_daily
where kind <> 'rule' and day >= %(chart)s and day < %(end)s
group by 1, 2, 3, kind
order by 2, 3, 1
"""

CALIBRATIONS: LiteralString = """
select evaluator, evaluator_version, calibration_state, kappa, kappa_low, kappa_high, n
from marts.evaluator_calibrations
where stratum = 'overall'
"""

COMPARISONS: LiteralString = """
with kinds as (
    select distinct evaluator, evaluator_version, kind
    from marts.evaluation_coverage
    where day >= %(first)s and day < %(end)s
)

select
    evaluator, evaluator_version, measure, model,
    estimate, estimate_low, estimate_high, n_scored,
    difference, difference_low, difference_high, n_rest_scored,
    standardised_difference, standardised_difference_low, standardised_difference_high, n_effective,
    mix_coverage,
    matched_difference, matched_difference_low, matched_difference_high, n_matched_prompts,
    verdict, standardised_verdict, matched_verdict,
    coalesce(kinds.kind, case measure when 'fail_rate' then 'rule' else 'judge' end)
from marts.compare_models(%(first)s::date, %(end)s::date - 1)
left join kinds using (evaluator, evaluator_version)
where model = any(%(models)s)
order by measure, evaluator, evaluator_version, n_calls desc, model
"""

BOUNDARIES: LiteralString = """
select at, evaluator, from_version, to_version, value_offset, value_offset_low, value_offset_high, n_shared
from marts.evaluator_boundaries
where at >= %(chart_at)s and at < %(end_at)s
order by at, evaluator
"""

DRIFT: LiteralString = """
select
    day, column_name, method, value, threshold, is_drift, n_days_in_row, n_current, n_reference,
    median_current, median_reference, reason, evidently_version
from marts.drift_findings
where day >= %(first)s and day < %(end)s
order by column_name, day
"""

# How many there are, and those to list: what goes on and what is worst before what is over.
INCIDENTS: LiteralString = """
with incidents as (
    select
        rule, group_key, severity, happened_at, ended_at, value, threshold, n, message, was_silenced,
        count(*) over () as n_incidents,
        count(*) filter (where ended_at is null) over () as n_open
    from marts.alert_history
    where transition = 'firing'
        and happened_at < %(end_at)s
        and coalesce(ended_at, 'infinity') >= %(first_at)s
),

listed as (
    select * from incidents
    order by ended_at is null desc, severity = 'critical' desc, severity = 'warning' desc, happened_at desc
    limit %(most)s
)

select * from listed
order by happened_at, rule, group_key
"""

# The worst beyond doubt first: ten failures of ten calls are no more than many of many.
PROMPTS: LiteralString = """
select
    project,
    prompt_name,
    prompt_version,
    sum(n_calls)::bigint,
    sum(n_failed)::bigint,
    sum(n_scored)::bigint,
    array_agg(distinct evaluator_version order by evaluator_version) filter (where n_scored > 0),
    sum(amount_usd)
from marts.quality_by_prompt
where evaluator = 'rules' and day >= %(first)s and day < %(end)s
group by 1, 2, 3
order by marts.wilson_low(sum(n_failed)::bigint, sum(n_scored)::bigint) desc nulls last, 4 desc, 1, 2, 3
limit %(most)s
"""
