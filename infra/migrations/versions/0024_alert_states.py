"""States and events know what they are about, whose they are, and what they were compared with."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SQL = r"""
alter table alerting.states
    add column fingerprint text,
    add column dimensions jsonb not null default '{}',
    add column labels jsonb not null default '{}',
    add column severity text,
    add column owner text,
    add column threshold double precision,
    add column baseline double precision,
    add column message text,
    add column event_id uuid,
    add column source text not null default 'engine',
    add column breached_at timestamptz,
    add column last_breach_at timestamptz,
    add column seen_at timestamptz,
    add column held_until timestamptz,
    add column details jsonb not null default '{}';
comment on column alerting.states.since is 'When it came into this state; breached_at: when the breach began';
comment on column alerting.states.fingerprint is '16 hex digits of rule, names and values: the same for all transitions of an alert';
comment on column alerting.states.baseline is 'What it was compared with as it began to fire';
comment on column alerting.states.event_id is 'The event with which it began to fire; null while pending';
comment on column alerting.states.seen_at is 'When there last was data of it';
comment on column alerting.states.held_until is 'Quiet hours in which it began: until then nobody is told';

alter table alerting.events
    add column fingerprint text,
    add column dimensions jsonb not null default '{}',
    add column labels jsonb not null default '{}',
    add column details jsonb not null default '{}',
    add column owner text,
    add column since timestamptz,
    add column source text not null default 'engine';
alter table alerting.events
    add constraint events_source_check check (source in ('engine', 'dagster', 'evaluator', 'alertmanager'));
alter table alerting.states
    add constraint states_source_check check (source in ('engine', 'dagster', 'evaluator', 'alertmanager'));
comment on column alerting.events.since is 'When the breach began; null: of before this was kept';
comment on column alerting.events.details is 'What the figures rest on: baseline, low, high, p, q, reason';

-- Until now a group was a model, or a judge and a model.
update alerting.states set
    fingerprint = {fingerprint},
    dimensions = {dimensions},
    severity = case rule when 'judge_grades' then 'warning' else 'critical' end,
    breached_at = since,
    last_breach_at = evaluated_at,
    seen_at = evaluated_at,
    event_id = case when state = 'firing' then (
        select events.event_id from alerting.events
        where events.rule = states.rule and events.group_key = states.group_key
            and events.transition = 'firing'
        order by events.happened_at desc
        limit 1
    ) end
where rule in ('failing_share', 'judge_grades');
update alerting.events set
    fingerprint = {fingerprint},
    dimensions = {dimensions}
where rule in ('failing_share', 'judge_grades');
update alerting.events set source = 'evaluator' where rule = 'evaluator_change';

create unique index states_by_fingerprint on alerting.states (fingerprint) where fingerprint is not null;
create index events_by_fingerprint on alerting.events (fingerprint, happened_at);
"""

DIMENSIONS = """case rule
        when 'judge_grades' then jsonb_build_object(
            'judge', split_part(group_key, ' · ', 1),
            'model', substr(group_key, length(split_part(group_key, ' · ', 1)) + 4)
        )
        else jsonb_build_object('model', group_key)
    end"""
# As orchestration.alerts.engine.groups.fingerprint makes it.
FINGERPRINT = """left(encode(sha256(convert_to(
        rule || chr(30) || case rule
            when 'judge_grades' then
                'judge' || chr(31) || split_part(group_key, ' · ', 1) || chr(30) || 'model' || chr(31)
                || substr(group_key, length(split_part(group_key, ' · ', 1)) + 4)
            else 'model' || chr(31) || group_key
        end,
        'UTF8'
    )), 'hex'), 16)"""

DOWN = r"""
drop view if exists staging.stg_alerting__states, staging.stg_alerting__events cascade;
drop index alerting.states_by_fingerprint, alerting.events_by_fingerprint;
alter table alerting.events
    drop column fingerprint, drop column dimensions, drop column labels, drop column details,
    drop column owner, drop column since, drop column source;
alter table alerting.states
    drop column fingerprint, drop column dimensions, drop column labels, drop column severity,
    drop column owner, drop column threshold, drop column baseline, drop column message,
    drop column event_id, drop column source, drop column breached_at, drop column last_breach_at,
    drop column seen_at, drop column held_until, drop column details;
"""


def upgrade() -> None:
    op.execute(SQL.replace("{fingerprint}", FINGERPRINT).replace("{dimensions}", DIMENSIONS))


def downgrade() -> None:
    op.execute(DOWN)
