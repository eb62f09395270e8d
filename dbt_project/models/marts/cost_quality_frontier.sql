{{ config(materialized='view') }}

with points as (

    select * from {{ ref('stg_evaluation__replay_points') }}

),

replays as (

    select * from {{ ref('stg_evaluation__replays') }}

),

versions as (

    select * from {{ ref('stg_evaluation__evaluator_versions') }}

),

claims as (

    select * from {{ ref('stg_evaluation__replay_claims') }}

),

-- A claim that nobody settled may have been paid: it counts with all that it may have cost.
spent as (

    select
        replay_id,
        coalesce(sum(coalesce(spent_usd, reserved_usd)) filter (where purpose = 'replay'), 0) as replay_usd,
        coalesce(sum(coalesce(spent_usd, reserved_usd)) filter (where purpose = 'judge'), 0) as judging_usd,
        count(*) filter (where settled_at is null) as n_in_doubt
    from claims
    group by replay_id

),

final as (

    select
        (replays.started_at at time zone 'UTC')::date as day,
        points.replay_id,
        points.rubric,
        points.model,
        points.is_incumbent,
        versions.evaluator_version,
        points.judge_model,
        (replays.window_start at time zone 'UTC')::date as first_day,
        (replays.window_end at time zone 'UTC')::date - 1 as last_day,
        points.n_prompts,
        points.n_answered,
        points.n_graded,
        points.n_priced,
        points.n_pairs,
        points.represented,
        points.grade,
        points.grade_low,
        points.grade_high,
        points.grade_difference,
        points.grade_difference_low,
        points.grade_difference_high,
        points.usd_per_1k,
        points.usd_per_1k_low,
        points.usd_per_1k_high,
        points.usd_per_1k_difference,
        points.usd_per_1k_difference_low,
        points.usd_per_1k_difference_high,
        case
            when points.grade is null or points.usd_per_1k is null then 'not measured'
            when cardinality(points.surely_dominated_by) > 0 then 'dominated'
            when cardinality(points.dominated_by) > 0 then 'perhaps dominated'
            else 'frontier'
        end as verdict,
        points.dominated_by,
        points.surely_dominated_by,
        points.sample_usd,
        coalesce(spent.replay_usd, 0) as replay_usd,
        coalesce(spent.judging_usd, 0) as judging_usd,
        replays.max_usd,
        coalesce(spent.n_in_doubt, 0) as n_in_doubt,
        replays.outcome,
        points.price_version,
        points.computed_at
    from points
    inner join replays using (replay_id)
    inner join versions using (evaluator_version_id)
    left join spent using (replay_id)

)

select * from final
