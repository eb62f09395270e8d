"""Human labels, calibrations of judges, corrected pass rates and golden sets.

Labels are append-only: who thinks again adds a row, and the newest counts. The texts of golden items have
grants of their own, as bodies do; they stand as `json`, which keeps `\\u0000` and lone surrogates.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SQL = r"""
create table evaluation.labels (
    call_id uuid not null,
    started_at timestamptz not null,
    evaluator text not null,
    rater text not null,
    value numeric,
    label text,
    cluster text,
    is_blind boolean not null,
    inclusion_probability double precision not null default 1
        check (inclusion_probability > 0 and inclusion_probability <= 1),
    at timestamptz not null,
    source text not null,
    landed_at timestamptz not null default now(),
    primary key (started_at, call_id, evaluator, rater, at),
    constraint label_says_something check (num_nonnulls(value, label) > 0)
);
create index labels_by_evaluator on evaluation.labels (evaluator, started_at);
comment on table evaluation.labels is
    'What people say of calls, append-only: the newest row of a call, an evaluator and a rater counts. value is on the evaluator''s own scale, label is pass or fail';
comment on column evaluation.labels.is_blind is
    'Given without sight of the judge''s verdict; only such labels calibrate a judge';
comment on column evaluation.labels.inclusion_probability is
    'How likely the call was to be labelled, where labels were drawn with different probabilities';

create view evaluation.current_labels as
select distinct on (started_at, call_id, evaluator, rater) *
from evaluation.labels
order by started_at, call_id, evaluator, rater, at desc;

create table evaluation.calibrations (
    evaluator_version_id integer not null references evaluation.evaluator_versions (id),
    stratum text not null check (stratum in ('overall', 'model', 'prompt')),
    name text not null default '',
    n integer not null,
    n_clusters integer not null,
    agreement double precision,
    agreement_low double precision,
    agreement_high double precision,
    kappa double precision,
    kappa_low double precision,
    kappa_high double precision,
    figures jsonb not null,
    state text not null check (state in ('uncalibrated', 'ok', 'degraded')),
    reasons text[] not null default '{}',
    state_since timestamptz not null default now(),
    computed_at timestamptz not null default now(),
    primary key (evaluator_version_id, stratum, name),
    constraint overall_has_no_name check ((stratum = 'overall') = (name = '')),
    constraint no_kappa_without_agreement check (kappa is null or agreement is not null)
);
comment on table evaluation.calibrations is
    'How far an evaluator version agrees with people, overall and by model and prompt; what it is now, replaced when a label or a verdict changes it';
comment on column evaluation.calibrations.figures is
    'Further figures, each {value, low, high, n}: quadratic_kappa, spearman, precision, recall, specificity, human_alpha, parse_errors, flips';

create table evaluation.pass_rates (
    day date not null,
    evaluator_version_id integer not null references evaluation.evaluator_versions (id),
    stratum text not null check (stratum in ('overall', 'model', 'prompt')),
    name text not null default '',
    n bigint not null,
    n_clusters bigint not null,
    n_parse_errors bigint not null,
    raw double precision,
    raw_low double precision,
    raw_high double precision,
    n_labels bigint not null,
    corrected double precision,
    corrected_low double precision,
    corrected_high double precision,
    trust double precision,
    label_saving double precision,
    not_corrected text,
    primary key (day, evaluator_version_id, stratum, name),
    constraint corrected_or_says_why check ((corrected is null) = (not_corrected is not null))
);
comment on table evaluation.pass_rates is
    'A judge''s pass rate of a UTC day: raw, and corrected for the judge''s error by labels of the same kind of calls';

create table evaluation.golden_items (
    golden_set text not null check (golden_set ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    content_hash bytea not null,
    item json not null,
    expected numeric,
    call_id uuid,
    added_at timestamptz not null default now(),
    removed_at timestamptz,
    primary key (golden_set, content_hash)
);
comment on table evaluation.golden_items is
    'What a golden set shows its judges, frozen: a copy that neither retention nor masking changes. An item is taken out, never changed';

create table evaluation.golden_scores (
    golden_set text not null,
    content_hash bytea not null,
    evaluator_version_id integer not null references evaluation.evaluator_versions (id),
    day date not null,
    value numeric,
    label text,
    explanation text,
    unscored_reason text,
    judge_model text not null,
    judge_call_id uuid,
    judged_at timestamptz not null default now(),
    primary key (golden_set, content_hash, evaluator_version_id, day),
    foreign key (golden_set, content_hash) references evaluation.golden_items,
    constraint scored_or_says_why check ((value is null) = (unscored_reason is not null))
);
comment on table evaluation.golden_scores is
    'The same items, asked anew on every UTC day on which the set is judged: the one place where a verdict is paid for again, for only so can a judge be seen to change';

create table evaluation.golden_drift (
    golden_set text not null,
    evaluator_version_id integer not null references evaluation.evaluator_versions (id),
    day date not null,
    baseline_day date not null,
    n integer not null,
    shift double precision,
    shift_low double precision,
    shift_high double precision,
    flips double precision,
    flips_low double precision,
    flips_high double precision,
    judge_models text[] not null,
    is_drift boolean not null,
    primary key (golden_set, evaluator_version_id, day)
);
comment on table evaluation.golden_drift is
    'A golden set''s scores of a day against those of its first day with this evaluator version: what moves here is the judge, for the items stand still';

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on evaluation.labels, evaluation.current_labels, evaluation.calibrations,
            evaluation.pass_rates, evaluation.golden_drift to lqo_reader;
        grant select (golden_set, content_hash, expected, call_id, added_at, removed_at)
            on evaluation.golden_items to lqo_reader;
        grant select (
            golden_set, content_hash, evaluator_version_id, day, value, label, unscored_reason, judge_model,
            judge_call_id, judged_at
        ) on evaluation.golden_scores to lqo_reader;
    end if;
end $$;
"""

# The marts' views on these tables go first; the next deploy of the version before does not know them.
DOWN = r"""
drop view if exists marts.judge_leaderboard, marts.evaluator_calibrations, marts.pass_rates_daily,
    marts.judge_drift cascade;
drop view if exists staging.stg_evaluation__calibrations, staging.stg_evaluation__pass_rates,
    staging.stg_evaluation__golden_drift cascade;
drop table evaluation.golden_drift, evaluation.golden_scores, evaluation.golden_items, evaluation.pass_rates,
    evaluation.calibrations;
drop view evaluation.current_labels;
drop table evaluation.labels;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
