"""The mart of calls says what was kept of each call's text.

Until now every proxy kept everything; imports may have had less.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SQL = r"""
do $$
begin
    if to_regclass('marts.calls') is not null then
        alter table marts.calls add column body_state text not null default 'full';
        alter table marts.calls alter column body_state drop default;
        update marts.calls
        set body_state = kept.body_state
        from raw.llm_calls as kept
        where kept.started_at = calls.started_at
            and kept.call_id = calls.call_id
            and kept.body_state <> 'full';
    end if;
end $$;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("alter table if exists marts.calls drop column if exists body_state")
