"""Human labels, calibrations and golden sets."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SQL = r"""
select 1;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    pass
