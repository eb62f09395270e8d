"""What a closed day's charges are, and not only what they add up to: two changes that cancel out show, too."""

from alembic import op

revision = "0037"
down_revision = "0038"
branch_labels = None
depends_on = None

SQL = r"""
alter table cost.day_sums add column digest numeric;
comment on column cost.day_sums.digest is
    'Sum of the hashes of the day''s charges with whose calls they are; null in rows of before there was one';
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("alter table cost.day_sums drop column digest")
