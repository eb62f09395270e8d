"""Feedback that comes in over HTTP, and spans whose call the proxy has seen.

Feedback may be a label as well as a number, and says which key gave it. The index on spans stays empty
where nobody sends traces; it finds those that landed before the call they tell of.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SQL = r"""
alter table evaluation.feedback
    add column label text,
    add column key_id text,
    add column landed_at timestamptz not null default now();
alter table evaluation.feedback
    add constraint feedback_says_something check (num_nonnulls(value, label, comment) > 0) not valid;
create index feedback_by_started_at on evaluation.feedback (started_at);
comment on table evaluation.feedback is
    'What end users say of calls, append-only: the newest row of a call and a name counts. started_at is the time in call_id; the call itself may be unknown or yet to land';

create index llm_calls_by_response_id on raw.llm_calls ((tags ->> 'lqo.response_id')) where source = 'otlp';
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("drop index raw.llm_calls_by_response_id; drop index evaluation.feedback_by_started_at;")
    op.execute(
        "alter table evaluation.feedback drop constraint feedback_says_something, drop column label, drop column key_id, drop column landed_at;"
    )
