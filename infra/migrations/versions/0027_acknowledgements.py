"""What people do about alerts: acknowledge, silence, mute; who did what when; and what that holds back."""

from alembic import op

revision = "0027"
down_revision = "0025"
branch_labels = None
depends_on = None

SQL = r"""
alter table alerting.silences
    add column severity text check (severity in ('critical', 'warning', 'info')),
    add column owner text check (owner <> ''),
    add column labels jsonb not null default '{}' check (jsonb_typeof(labels) = 'object');
comment on column alerting.silences.severity is 'Only alerts of this severity; null: of every one. owner likewise';
comment on column alerting.silences.labels is 'Only alerts whose labels hold all of these';

create table alerting.mutes (
    mute_id uuid primary key default gen_random_uuid(),
    rule text not null check (rule not in ('', '*')),
    starts_at timestamptz not null default now(),
    ends_at timestamptz not null,
    reason text not null check (reason <> ''),
    created_by text not null check (created_by <> ''),
    created_at timestamptz not null default now(),
    constraint mute_is_a_span check (ends_at >= starts_at and isfinite(ends_at) and isfinite(starts_at))
);
create index mutes_by_rule on alerting.mutes (rule, ends_at);
comment on table alerting.mutes is
    'While one holds, its rule is evaluated and recorded and nothing of it is sent, then or later. Ended early: ends_at moves back';

create table alerting.acknowledgements (
    event_id uuid primary key references alerting.events (event_id) on delete cascade,
    acknowledged_by text not null check (acknowledged_by <> ''),
    acknowledged_at timestamptz not null default now(),
    note text not null default ''
);
comment on table alerting.acknowledgements is
    'One row per alert that somebody has taken on: of the event with which it began to fire, so it ends with the alert';

create table alerting.actions (
    action_id uuid primary key default gen_random_uuid(),
    acted_at timestamptz not null default clock_timestamp(),
    action text not null check (action in ('acknowledged', 'silenced', 'unsilenced', 'muted', 'unmuted')),
    acted_by text not null check (acted_by <> ''),
    via text not null check (via <> ''),
    rule text not null,
    group_key text not null default '*',
    fingerprint text,
    event_id uuid,
    silence_id uuid,
    mute_id uuid,
    ends_at timestamptz,
    note text not null default ''
);
create index actions_by_time on alerting.actions (acted_at);
comment on table alerting.actions is 'Who did what about alerts, and when; rows are only added';
comment on column alerting.actions.via is 'cli, or api with the id of the key';
comment on column alerting.actions.note is 'The reason of a silence or mute, the note of an acknowledgement';

create function alerting.covers(
    silence_rule text, silence_group text, silence_severity text, silence_owner text, silence_labels jsonb,
    rule text, group_key text, severity text, owner text, labels jsonb
) returns boolean
language sql immutable parallel safe
return silence_rule in ('*', rule)
    and silence_group in ('*', group_key)
    and (silence_severity is null or silence_severity = severity)
    and (silence_owner is null or silence_owner = owner)
    and labels @> silence_labels;
comment on function alerting.covers is 'Whether a silence (the first five) is about an alert (the last five)';

drop function if exists alerting.held_back(alerting.events, timestamptz);
create function alerting.held_back(event alerting.events, at timestamptz) returns text
language sql stable
as $$
select
    case
        when exists (
            select from alerting.mutes
            where mutes.rule = event.rule and mutes.starts_at <= at and event.happened_at < mutes.ends_at
        ) then 'muted'
        when event.transition = 'resolved' and exists (
            select from (
                select firing.event_id, firing.happened_at
                from alerting.events as firing
                where firing.fingerprint = event.fingerprint
                    and firing.transition = 'firing'
                    and firing.happened_at < event.happened_at
                order by firing.happened_at desc
                limit 1
            ) as began
            inner join alerting.mutes
                on mutes.rule = event.rule and mutes.starts_at <= at and began.happened_at < mutes.ends_at
            where not exists (
                select from alerting.outbox
                where outbox.event_id = began.event_id and outbox.sent_at is not null
            )
        ) then 'muted'
        when event.transition in ('firing', 'resolved', 'failed') and exists (
            select from alerting.silences
            where silences.starts_at <= at
                and silences.ends_at > at
                and alerting.covers(
                    silences.rule, silences.group_key, silences.severity, silences.owner, silences.labels,
                    event.rule, event.group_key, event.severity, event.owner, event.labels
                )
        ) then 'silenced'
    end
$$;
comment on function alerting.held_back is
    'Why messages of the event may not leave: muted (never), silenced (not yet), null (they may)';

-- Its model is gone: what people did stands beside the states.
drop view if exists staging.stg_alerting__states cascade;

create view alerting.alerts as
select
    states.fingerprint,
    states.rule,
    states.group_key,
    states.dimensions,
    states.labels,
    states.state,
    states.since,
    states.value,
    states.threshold,
    states.n,
    states.severity,
    states.owner,
    states.message,
    states.source,
    states.event_id,
    states.evaluated_at,
    acknowledgements.acknowledged_by,
    acknowledgements.acknowledged_at,
    acknowledgements.note as acknowledgement_note,
    (
        select max(silences.ends_at) from alerting.silences
        where silences.starts_at <= now()
            and silences.ends_at > now()
            and alerting.covers(
                silences.rule, silences.group_key, silences.severity, silences.owner, silences.labels,
                states.rule, states.group_key, states.severity, states.owner, states.labels
            )
    ) as silenced_until,
    (
        select max(mutes.ends_at) from alerting.mutes
        where mutes.rule = states.rule and mutes.starts_at <= now() and mutes.ends_at > now()
    ) as muted_until
from alerting.states
left join alerting.acknowledgements
    on acknowledgements.event_id = states.event_id and states.state = 'firing';
comment on view alerting.alerts is 'One row per alert that there is or ever was: its state now, and what people did about it';

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on alerting.mutes, alerting.acknowledgements, alerting.actions, alerting.alerts to lqo_reader;
    end if;
end
$$;
"""

# As the migration of the outbox made it.
HELD_BACK_BEFORE = r"""
create function alerting.held_back(events alerting.events, at timestamptz) returns text
language sql stable
as $$
    select 'silenced'
    from alerting.silences
    where events.transition in ('firing', 'resolved', 'failed')
        and silences.rule in ('*', events.rule)
        and silences.group_key in ('*', events.group_key)
        and silences.starts_at <= at
        and silences.ends_at > at
    limit 1
$$;
comment on function alerting.held_back is
    'Why a message of this event does not go now: silenced (later), muted (never); null: it may go';
"""

DOWN = r"""
drop view if exists staging.stg_alerting__alerts, staging.stg_alerting__mutes,
    staging.stg_alerting__acknowledgements, staging.stg_alerting__actions,
    staging.stg_alerting__silences cascade;
drop view alerting.alerts;
drop function alerting.held_back(alerting.events, timestamptz);
drop function alerting.covers(text, text, text, text, jsonb, text, text, text, text, jsonb) cascade;
drop table alerting.actions, alerting.acknowledgements, alerting.mutes;
alter table alerting.silences drop column severity, drop column owner, drop column labels;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
    op.execute(HELD_BACK_BEFORE)
