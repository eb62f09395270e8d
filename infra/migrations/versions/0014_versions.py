"""Which version of an evaluator is current on which day; shadow-scored days; bridges between versions.

`evaluator_versions` has room for one period a version; a version that comes back needs two. What is current is
therefore a step function a row a step: nothing can overlap, and a promotion is one row.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KINDS = r"""
alter table evaluation.evaluator_versions drop constraint if exists evaluator_versions_kind_check;
alter table evaluation.evaluator_versions
    add constraint evaluator_versions_kind_check check (kind in ('rule', 'judge', 'human', 'external'));
"""

SQL = r"""
create table evaluation.version_starts (
    evaluator text not null,
    starts_at timestamptz,
    evaluator_version_id integer references evaluation.evaluator_versions (id),
    cause text not null check (cause in ('recorded', 'shipped', 'promoted', 'retired')),
    recorded_at timestamptz not null default now(),
    constraint one_version_a_start unique nulls not distinct (evaluator, starts_at)
);
comment on table evaluation.version_starts is
    'From starts_at on (null: since ever), by the time of the call, this version of the evaluator is current, until its next row; a version of null: none';

create view evaluation.version_periods as
with recorded as (
    select
        evaluator,
        evaluator_version_id,
        starts_at as current_from,
        lead(starts_at) over (partition by evaluator order by starts_at nulls first) as current_to,
        cause
    from evaluation.version_starts
),
stated as (
    select
        evaluator,
        id as evaluator_version_id,
        -- The first version speaks for the days before it was recorded, too.
        case when row_number() over steps > 1 then current_from end as current_from,
        least(current_to, lead(current_from) over steps) as current_to,
        'recorded' as cause
    from (
        select distinct on (evaluator, current_from) evaluator, id, current_from, current_to
        from evaluation.evaluator_versions as versions
        where (status = 'active' or (status = 'retired' and current_from is not null))
            and not exists (
                select from evaluation.version_starts as starts where starts.evaluator = versions.evaluator
            )
        order by evaluator, current_from, id desc
    ) as versions
    window steps as (partition by evaluator order by current_from nulls first)
),
periods as (
    select * from recorded where evaluator_version_id is not null
    union all
    select * from stated
)
select
    periods.evaluator,
    periods.evaluator_version_id,
    versions.version as evaluator_version,
    versions.kind,
    periods.current_from,
    periods.current_to,
    periods.cause
from periods
inner join evaluation.evaluator_versions as versions on versions.id = periods.evaluator_version_id
where periods.current_to is null or periods.current_from is null or periods.current_to > periods.current_from;
comment on view evaluation.version_periods is
    'Half-open spans of call time in which a version is current; null: since ever, until further notice. No two of one evaluator overlap. An evaluator without version_starts is read from evaluator_versions';

create table evaluation.shadow_days (
    evaluator_version_id integer not null references evaluation.evaluator_versions (id),
    day date not null,
    n_scored bigint not null,
    n_unscored bigint not null,
    scored_at timestamptz not null default now(),
    primary key (evaluator_version_id, day)
);
comment on table evaluation.shadow_days is
    'Days over which a version was scored before it was current, or imported: what a bridge to it can rest on';

create table evaluation.bridges (
    from_version_id integer not null references evaluation.evaluator_versions (id),
    to_version_id integer not null references evaluation.evaluator_versions (id),
    evaluator text not null,
    first_day date not null,
    last_day date not null,
    n_shared bigint not null,
    n_only_from bigint not null,
    n_only_to bigint not null,
    mean_from double precision,
    mean_to double precision,
    agreement double precision,
    agreement_low double precision,
    agreement_high double precision,
    kappa double precision,
    kappa_low double precision,
    kappa_high double precision,
    shift double precision,
    shift_low double precision,
    shift_high double precision,
    n_flips bigint not null,
    details jsonb not null default '{}',
    computed_at timestamptz not null default now(),
    primary key (from_version_id, to_version_id)
);
comment on column evaluation.bridges.shift is
    'Mean of (to - from) over the calls that both scored, on the scale of the evaluator; what a chart adds to the old line to stand on the new one';

create table evaluation.bridge_strata (
    from_version_id integer not null,
    to_version_id integer not null,
    dimension text not null check (dimension in ('model', 'prompt')),
    stratum text not null,
    n_shared bigint not null,
    agreement double precision,
    kappa double precision,
    shift double precision,
    shift_low double precision,
    shift_high double precision,
    primary key (from_version_id, to_version_id, dimension, stratum),
    foreign key (from_version_id, to_version_id)
        references evaluation.bridges (from_version_id, to_version_id) on delete cascade
);

create table evaluation.rule_set_bridges (
    day date not null,
    from_rule_set integer not null references evaluation.rule_sets (id),
    to_rule_set integer not null references evaluation.rule_sets (id),
    model text not null,
    n_shared bigint not null,
    n_failed_from bigint not null,
    n_failed_to bigint not null,
    n_flips bigint not null,
    primary key (day, from_rule_set, to_rule_set, model)
);
comment on table evaluation.rule_set_bridges is
    'Counts over the calls of a day that two rule sets judged: they add up over days, and give the shift of the failing share with its variance';

-- The rules that were registered before: each version from the moment it was recorded as current.
insert into evaluation.version_starts (evaluator, starts_at, evaluator_version_id, cause)
select evaluator, current_from, evaluator_version_id, 'recorded'
from evaluation.version_periods
where kind = 'rule';

alter table alerting.events drop constraint events_transition_check;
alter table alerting.events
    add constraint events_transition_check check (transition in ('firing', 'resolved', 'changed'));

-- Alerts read marts.failing_hourly from now on. An hour's age keeps what fires firing until the mart is filled.
insert into raw.dirty_hours (hour, stage, changed_at)
select distinct date_trunc('hour', started_at, 'UTC'), 'scores', now() - interval '1 hour'
from raw.llm_calls
where started_at > now() - interval '2 days';

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on evaluation.version_starts, evaluation.version_periods, evaluation.shadow_days,
            evaluation.bridges, evaluation.bridge_strata, evaluation.rule_set_bridges to lqo_reader;
    end if;
end
$$;
"""


# A rule that was promoted has its verdicts in rule_results, and those of its shadow days in judgements, too.
VIEW = r"""
create or replace view evaluation.scores as
select
    results.call_id,
    results.started_at,
    versions.evaluator,
    versions.version as evaluator_version,
    case
        when results.unscored ? versions.evaluator then null
        when versions.evaluator = any (results.failed) then 0
        else 1
    end::numeric as value,
    case
        when results.unscored ? versions.evaluator then null
        when versions.evaluator = any (results.failed) then 'fail'
        else 'pass'
    end as label,
    results.unscored ->> versions.evaluator as unscored_reason
from evaluation.rule_results as results
cross join lateral (
    select coalesce(array_agg(others.evaluator_version_id), '{}') as ids
    from evaluation.rule_results as later
    inner join evaluation.rule_set_members as others on others.rule_set_version = later.rule_set_version
    where later.started_at = results.started_at
        and later.call_id = results.call_id
        and later.rule_set_version <> results.rule_set_version
        and (later.scored_at, later.rule_set_version) > (results.scored_at, results.rule_set_version)
) as said_later
inner join evaluation.rule_set_members as members on members.rule_set_version = results.rule_set_version
inner join evaluation.evaluator_versions as versions on versions.id = members.evaluator_version_id
where members.evaluator_version_id <> all (said_later.ids)
union all
select
    judgements.call_id,
    judgements.started_at,
    versions.evaluator,
    versions.version as evaluator_version,
    judgements.value,
    judgements.label,
    judgements.unscored_reason
from evaluation.judgements
inner join evaluation.evaluator_versions as versions on versions.id = judgements.evaluator_version_id
{only_shadows};
"""
ONLY_SHADOWS = "where versions.kind <> 'rule' or versions.status in ('draft', 'shadow')"


def upgrade() -> None:
    op.execute(KINDS)
    op.execute(SQL)
    op.execute(VIEW.replace("{only_shadows}", ONLY_SHADOWS))


DOWN = r"""
drop view if exists staging.stg_evaluation__version_periods, staging.stg_evaluation__bridges cascade;
drop view evaluation.version_periods;
-- There was one word for what is no rule.
update evaluation.evaluator_versions set kind = 'judge' where kind in ('human', 'external');
alter table evaluation.evaluator_versions drop constraint evaluator_versions_kind_check;
alter table evaluation.evaluator_versions
    add constraint evaluator_versions_kind_check check (kind in ('rule', 'judge'));
drop table evaluation.bridge_strata, evaluation.bridges, evaluation.rule_set_bridges, evaluation.shadow_days,
    evaluation.version_starts;
delete from alerting.outbox where event_id in (select event_id from alerting.events where transition = 'changed');
delete from alerting.events where transition = 'changed';
alter table alerting.events drop constraint events_transition_check;
alter table alerting.events
    add constraint events_transition_check check (transition in ('firing', 'resolved'));
"""


def downgrade() -> None:
    op.execute(VIEW.replace("{only_shadows}", ""))
    op.execute(DOWN)
