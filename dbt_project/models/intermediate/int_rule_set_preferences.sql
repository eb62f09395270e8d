-- One row per span of call time and rule set: the set whose rules' versions were current then has preference 1.

with periods as (

    select * from {{ ref('stg_evaluation__version_periods') }}
    where kind = 'rule'

),

members as (

    select * from {{ ref('stg_evaluation__rule_set_members') }}

),

rule_sets as (

    select * from {{ ref('int_rule_sets') }}

),

-- A rule's version changes at the ends of its periods, and nowhere else.
moments as (

    select '-infinity'::timestamptz as starts_at
    union
    select current_from from periods where current_from is not null
    union
    select current_to from periods where current_to is not null

),

spans as (

    select
        starts_at,
        lead(starts_at, 1, 'infinity') over (order by starts_at) as ends_at
    from moments

),

matched as (

    select
        spans.starts_at,
        spans.ends_at,
        members.rule_set_version,
        count(periods.evaluator_version_id) as count_current,
        count(*) as count_rules
    from spans
    cross join members
    left join periods
        on periods.evaluator_version_id = members.evaluator_version_id
        and coalesce(periods.current_from, '-infinity') <= spans.starts_at
        and coalesce(periods.current_to, 'infinity') > spans.starts_at
    group by 1, 2, 3

),

final as (

    select
        matched.rule_set_version,
        matched.starts_at,
        matched.ends_at,
        row_number() over (
            partition by matched.starts_at
            order by
                -- Current rules speak for a set, others against it.
                2 * matched.count_current - matched.count_rules desc,
                rule_sets.is_current desc,
                matched.rule_set_version desc
        ) as preference
    from matched
    inner join rule_sets using (rule_set_version)

)

select * from final
