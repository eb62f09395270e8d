"""Which rule sets a day's comparison of models speaks of."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

# The mart's columns come by migration, since dbt refuses to add them; a day's own run fills them.
SQL = "alter table if exists marts.model_comparison add column rule_set_versions integer[]"
UNDO = "alter table if exists marts.model_comparison drop column rule_set_versions"


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(UNDO)
