"""The charges of one model are found without a look at the others."""

from alembic import op

revision = "0039"
down_revision = "0036"
branch_labels = None
depends_on = None

# A corrected price concerns one model in a hundred: 90 MB a million charges instead of a scan of their days.
SQL = "create index if not exists charges_by_model on cost.charges (provider, model, started_at)"
UNDO = "drop index if exists cost.charges_by_model"


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(UNDO)
