"""What the drift report found, as rows; and reports among the messages that wait to be sent."""

from alembic import op

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None

SQL = r"""
create table evaluation.drift_findings (
    day date not null,
    column_name text not null,
    kind text not null check (kind in ('number', 'label')),
    method text,
    value double precision,
    threshold double precision,
    is_drift boolean not null,
    n_current integer not null check (n_current >= 0),
    n_reference integer not null check (n_reference >= 0),
    median_current double precision,
    median_reference double precision,
    reference_from date not null,
    reason text,
    evidently_version text not null,
    computed_at timestamptz not null default now(),
    primary key (day, column_name),
    constraint compared_or_says_why check ((value is null) = (reason is not null)),
    constraint drift_was_compared check (value is not null or not is_drift)
);
create index drift_findings_by_column on evaluation.drift_findings (column_name, day);
comment on table evaluation.drift_findings is
    'One row per UTC day and column of marts.calls: the day against the seven before it, by Evidently';
comment on column evaluation.drift_findings.n_current is
    'Calls of the day with a value, of a sample of at most 20,000; n_reference likewise of the days before';
comment on column evaluation.drift_findings.computed_at is
    'When a figure last changed; a second run of the same day leaves it';

alter table alerting.events drop constraint events_transition_check;
alter table alerting.events
    add constraint events_transition_check check (transition in ('firing', 'resolved', 'changed', 'report'));
comment on column alerting.events.transition is
    'firing and resolved: of an alert; changed: of evaluators; report: a report of a span was made, which is no alert';

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on evaluation.drift_findings to lqo_reader;
    end if;
end
$$;
"""

DOWN = r"""
drop view if exists staging.stg_evaluation__drift_findings cascade;
drop table evaluation.drift_findings;
delete from alerting.outbox where event_id in (select event_id from alerting.events where transition = 'report');
delete from alerting.events where transition = 'report';
alter table alerting.events drop constraint events_transition_check;
alter table alerting.events
    add constraint events_transition_check check (transition in ('firing', 'resolved', 'changed'));
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
