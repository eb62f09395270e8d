"""Counting the newest dead letters reads those alone."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

# An alert counts the last day's at every tick.
SQL = "create index if not exists dead_letters_by_time on raw.dead_letters (dead_at)"
UNDO = "drop index if exists raw.dead_letters_by_time"


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(UNDO)
