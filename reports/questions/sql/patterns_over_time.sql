-- Failures by prompt pattern
-- How do the ten patterns with most failures of the span fare?
with days as (

    select day, template_id, n_scored, n_failed
    from marts.prompt_patterns_daily
    where day >= :since_day and day <= :until_day

),

worst as (

    select template_id
    from days
    group by template_id
    order by sum(n_failed) desc, template_id
    limit 10

),

-- A prompt's name: every day of the view has it, the newest is read.
names as (

    select distinct on (patterns.template_id) patterns.template_id, left(patterns.template, 60) as template
    from marts.prompt_patterns as patterns
    inner join worst using (template_id)
    where patterns.day = (select max(day) from days)
    order by patterns.template_id

)

select
    date_trunc(:grain, days.day::timestamp) at time zone 'UTC' as time,
    coalesce(names.template, left(days.template_id::text, 8)) as template,
    sum(days.n_failed)::double precision / nullif(sum(days.n_scored), 0) as value
from days
inner join worst using (template_id)
left join names using (template_id)
group by 1, 2
order by 1, 2
