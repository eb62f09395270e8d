"""The outbox of a sender of its own: claims with a lease, begun attempts, repeats, digests, dead letters."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

HELD_BACK = r"""
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

SQL = r"""
alter table alerting.outbox
    add column order_key text,
    add column happened_at timestamptz not null default now(),
    add column claimed_by uuid,
    add column claimed_until timestamptz,
    add column attempt_started_at timestamptz,
    add column first_attempt_at timestamptz,
    add column is_repeat boolean not null default false,
    add column is_alone boolean not null default false,
    add column digest_id uuid,
    add column muted_at timestamptz,
    add column dead_at timestamptz,
    add column dead_reason text;

update alerting.outbox
set order_key = events.rule || '|' || events.group_key, happened_at = events.happened_at
from alerting.events
where events.event_id = outbox.event_id;

comment on column alerting.outbox.order_key is 'Rule and group: of these, a message waits for the ones before it';
comment on column alerting.outbox.attempt_started_at is
    'Set, in a transaction of its own, before a message leaves, and taken back with the outcome: where it still stands, nobody knows whether the receiver has it';
comment on column alerting.outbox.is_repeat is 'An earlier try may have reached the receiver; the next one says so';
comment on column alerting.outbox.digest_id is 'The key of the digest that it went out with';
comment on column alerting.outbox.is_alone is 'A digest with it was refused for good: it goes by itself';
comment on column alerting.outbox.dead_at is 'No further try is made, until `lqo alerts retry` puts it back';

drop index alerting.outbox_waiting;
create index outbox_waiting on alerting.outbox (channel, happened_at, event_id)
    where sent_at is null and dead_at is null and muted_at is null;
create index outbox_order on alerting.outbox (channel, order_key, happened_at)
    where sent_at is null and dead_at is null and muted_at is null;

create table alerting.channel_pace (
    channel text primary key,
    next_at timestamptz not null default '-infinity'
);
comment on table alerting.channel_pace is
    'When each channel may be posted to again: its rate, what it asked for, and how senders take turns';

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on alerting.channel_pace to lqo_reader;
    end if;
end
$$;
"""

DOWN = r"""
drop function alerting.held_back(alerting.events, timestamptz);
drop table alerting.channel_pace;
drop index alerting.outbox_waiting, alerting.outbox_order;
create index outbox_waiting on alerting.outbox (next_attempt_at) where sent_at is null;
alter table alerting.outbox
    drop column order_key, drop column happened_at, drop column claimed_by, drop column claimed_until,
    drop column attempt_started_at, drop column first_attempt_at, drop column is_repeat, drop column is_alone,
    drop column digest_id, drop column muted_at, drop column dead_at, drop column dead_reason;
"""


def upgrade() -> None:
    op.execute(SQL)
    op.execute(HELD_BACK)


def downgrade() -> None:
    op.execute(DOWN)
