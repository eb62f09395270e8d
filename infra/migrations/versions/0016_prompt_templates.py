"""Prompt templates with stable ids, and which call has which."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SQL = r"""
create table evaluation.prompt_templates (
    template_id uuid primary key,
    origin text not null check (origin in ('caller', 'mined', 'none')),
    template text not null,
    project text,
    miner text,
    bands bigint[] not null default '{}',
    first_seen timestamptz,
    recorded_at timestamptz not null default now(),
    constraint mined_says_by_what check ((origin = 'mined') = (miner is not null))
);
create index prompt_templates_bands on evaluation.prompt_templates using gin (bands) where origin = 'mined';
comment on table evaluation.prompt_templates is
    'A template never changes and its id follows from it alone; first_seen only moves back';
comment on column evaluation.prompt_templates.template is
    'The prompt''s name, or the form of the prompt that made the template: its words with marks for what varies';
comment on column evaluation.prompt_templates.miner is
    'The version of the code that made the form and compared it';

insert into evaluation.prompt_templates (template_id, origin, template) values
    ('00000000-0000-0000-0000-000000000000', 'none', '(no prompt text)'),
    ('ffffffff-ffff-ffff-ffff-ffffffffffff', 'none', '(not mined yet)');

create table evaluation.prompt_forms (
    form_hash bytea not null,
    miner text not null,
    template_id uuid not null references evaluation.prompt_templates (template_id),
    primary key (form_hash, miner)
);
comment on table evaluation.prompt_forms is
    'Which template a form was given when it was first seen; for good, whatever comes later';

create table evaluation.prompt_assignments (
    started_at timestamptz not null,
    call_id uuid not null,
    template_id uuid not null,
    miner text not null,
    primary key (started_at, call_id)
) partition by range (started_at);
insert into ingest.partitioned_tables values ('evaluation.prompt_assignments', '');
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("delete from ingest.partitioned_tables where parent = 'evaluation.prompt_assignments'")
    op.execute(
        "drop table evaluation.prompt_assignments, evaluation.prompt_forms, evaluation.prompt_templates"
    )
