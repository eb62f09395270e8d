"""Rules that people write."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SQL = r"""
select 1;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    pass
