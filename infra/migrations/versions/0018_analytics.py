"""What kind of prompt each call has, and the comparison of models on like prompts."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# The mart's columns come by migration, since dbt refuses to add them; a day's own run fills them.
SQL = r"""
alter table evaluation.prompt_assignments
    add column prompt_hash bigint,
    add column prompt_class text,
    add column language text,
    add column n_characters integer,
    add column reader text;
comment on column evaluation.prompt_assignments.prompt_hash is
    'First half of the MD5 of the last user message: equal for equal prompts';
comment on column evaluation.prompt_assignments.reader is
    'The version of the code that told class and language; null: not read yet';

do $$
begin
    if to_regclass('marts.model_comparison') is not null then
        alter table marts.model_comparison
            add column mix_coverage double precision not null default 0,
            add column n_effective double precision,
            add column n_rest_effective double precision,
            add column standardised_fail_rate double precision,
            add column standardised_fail_rate_low double precision,
            add column standardised_fail_rate_high double precision,
            add column rest_standardised_fail_rate double precision,
            add column standardised_difference double precision,
            add column standardised_difference_low double precision,
            add column standardised_difference_high double precision,
            add column standardised_verdict text not null default 'not enough data',
            add column n_matched_prompts bigint not null default 0,
            add column matched_difference double precision,
            add column matched_difference_low double precision,
            add column matched_difference_high double precision,
            add column matched_verdict text not null default 'not enough data';
        alter table marts.model_comparison
            alter column mix_coverage drop default,
            alter column standardised_verdict drop default,
            alter column n_matched_prompts drop default,
            alter column matched_verdict drop default;
    end if;
end $$;
"""

UNDO = r"""
do $$
begin
    if to_regclass('marts.model_comparison') is not null then
        alter table marts.model_comparison
            drop column mix_coverage,
            drop column n_effective,
            drop column n_rest_effective,
            drop column standardised_fail_rate,
            drop column standardised_fail_rate_low,
            drop column standardised_fail_rate_high,
            drop column rest_standardised_fail_rate,
            drop column standardised_difference,
            drop column standardised_difference_low,
            drop column standardised_difference_high,
            drop column standardised_verdict,
            drop column n_matched_prompts,
            drop column matched_difference,
            drop column matched_difference_low,
            drop column matched_difference_high,
            drop column matched_verdict;
    end if;
end $$;
-- A staging view may read the columns.
drop view if exists staging.stg_evaluation__prompt_assignments;
alter table evaluation.prompt_assignments
    drop column prompt_hash,
    drop column prompt_class,
    drop column language,
    drop column n_characters,
    drop column reader;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(UNDO)
