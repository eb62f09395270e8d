"""What judges are asked, by which policy, and what they said."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SQL = r"""
select 1;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    pass
