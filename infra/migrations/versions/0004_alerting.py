"""Alerting: state per rule and group, an outbox that a sender empties, the history; BI's grants."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SQL = r"""
create schema alerting;
create schema access;
create schema staging;
create schema intermediate;
create schema marts;

create table alerting.states (
    rule text not null,
    group_key text not null,
    state text not null check (state in ('pending', 'firing', 'resolved')),
    since timestamptz not null,
    value double precision,
    n bigint,
    evaluated_at timestamptz not null,
    primary key (rule, group_key)
);

create table alerting.events (
    event_id uuid primary key,
    rule text not null,
    group_key text not null,
    transition text not null check (transition in ('firing', 'resolved')),
    severity text not null,
    value double precision,
    threshold double precision,
    n bigint,
    message text not null,
    happened_at timestamptz not null
);

create table alerting.outbox (
    event_id uuid not null references alerting.events (event_id),
    channel text not null,
    payload jsonb not null,
    created_at timestamptz not null default now(),
    sent_at timestamptz,
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    last_error text,
    primary key (event_id, channel)
);
create index outbox_waiting on alerting.outbox (next_attempt_at) where sent_at is null;

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant usage on schema raw, ingest, evaluation, cost, alerting, staging, intermediate, marts to lqo_reader;
        grant select on all tables in schema raw, ingest, evaluation, cost, alerting to lqo_reader;
        revoke select on raw.llm_bodies, raw.dead_letters, ingest.open_calls from lqo_reader;
        alter default privileges in schema staging, intermediate, marts grant select on tables to lqo_reader;
    end if;
end
$$;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("drop schema alerting, access, staging, intermediate, marts cascade")
