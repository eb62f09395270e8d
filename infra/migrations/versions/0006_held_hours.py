"""Hours that dbt cannot model are held back by themselves; a close remembers which marks it saw.

A mark's `changed_at` is the start of its transaction. One that began before a close and committed after it
looked older than the close, so an END that replaced an interrupted row left no restatement.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SQL = r"""
create table evaluation.held_hours (
    hour timestamptz primary key,
    n_failures integer not null,
    error text not null,
    failed_at timestamptz not null,
    retry_at timestamptz not null
);
comment on table evaluation.held_hours is
    'Dirty hours on which dbt fails alone: a refresh leaves them out until retry_at; their marks stay';

alter table evaluation.day_closes add column seen_marks bigint[];
comment on column evaluation.day_closes.seen_marks is
    'Versions of the marks of calls that waited when the day was counted: any other is a later change; null for a close of before';

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on evaluation.held_hours to lqo_reader;
    end if;
end $$;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("drop table evaluation.held_hours")
    op.execute("alter table evaluation.day_closes drop column seen_marks")
