"""Prompt templates with stable ids."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SQL = r"""
select 1;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    pass
