"""Silences: alerts of a rule and group whose messages wait until a time."""

from alembic import op

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None

SQL = r"""
create table alerting.silences (
    silence_id uuid primary key default gen_random_uuid(),
    rule text not null default '*' check (rule <> ''),
    group_key text not null default '*' check (group_key <> ''),
    starts_at timestamptz not null default now(),
    ends_at timestamptz not null,
    reason text not null check (reason <> ''),
    created_by text not null,
    created_at timestamptz not null default now(),
    constraint silence_is_a_span check (ends_at >= starts_at and isfinite(ends_at) and isfinite(starts_at))
);
create index silences_by_end on alerting.silences (ends_at);
comment on table alerting.silences is
    'While one holds, messages of its alerts wait in the outbox; history and states go on. Ended early: ends_at moves back';
comment on column alerting.silences.rule is 'An alert''s rule, or * for every one; group_key likewise';
create index events_by_time on alerting.events (happened_at, event_id);

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on alerting.silences to lqo_reader;
    end if;
end
$$;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("drop view if exists staging.stg_alerting__silences cascade")
    op.execute("drop table alerting.silences; drop index alerting.events_by_time")
