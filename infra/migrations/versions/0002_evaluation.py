"""Evaluation: evaluator versions, rule results, judgements, the long view, checks, closed days."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQL = r"""
create schema evaluation;

create table evaluation.evaluator_versions (
    id integer generated always as identity primary key,
    evaluator text not null,
    version text not null,
    kind text not null check (kind in ('rule', 'judge')),
    status text not null check (status in ('draft', 'shadow', 'active', 'retired')),
    severity text,
    description text,
    current_from timestamptz,
    current_to timestamptz,
    recorded_at timestamptz not null default now(),
    unique (evaluator, version)
);

create table evaluation.rule_sets (
    id integer generated always as identity primary key,
    hash text not null unique,
    current_from timestamptz not null default now(),
    current_to timestamptz
);
comment on table evaluation.rule_sets is
    'A rule set is the exact versions of all rules; its id is rule_results.rule_set_version';

create table evaluation.rule_set_members (
    rule_set_version integer not null references evaluation.rule_sets (id),
    evaluator_version_id integer not null references evaluation.evaluator_versions (id),
    primary key (rule_set_version, evaluator_version_id)
);

create table evaluation.rule_results (
    started_at timestamptz not null,
    call_id uuid not null,
    rule_set_version integer not null,
    failed text[] not null,
    unscored jsonb not null default '{}',
    evidence jsonb not null default '{}',
    attempts smallint not null default 1,
    is_provisional boolean not null default false,
    is_retriable boolean not null default false,
    scored_at timestamptz not null default now(),
    primary key (started_at, call_id, rule_set_version)
) partition by range (started_at);
create index on evaluation.rule_results (started_at, call_id) where is_provisional or is_retriable;
comment on column evaluation.rule_results.is_provisional is
    'Made from an interrupted call, which a real END may replace: then it is made again. No clock is compared, so a landing that commits late cannot hide';
comment on column evaluation.rule_results.is_retriable is
    'A rule is unscored for a reason that may pass (error, parse_error, skipped_budget) and tries are left';

create table evaluation.judgements (
    started_at timestamptz not null,
    call_id uuid not null,
    evaluator_version_id integer not null,
    value numeric,
    label text,
    explanation text,
    details jsonb not null default '{}',
    unscored_reason text,
    judge_model text not null,
    inclusion_probability double precision not null default 1,
    cost_usd numeric,
    attempts smallint not null default 1,
    scored_at timestamptz not null default now(),
    primary key (started_at, call_id, evaluator_version_id),
    constraint scored_or_says_why check ((value is null) = (unscored_reason is not null))
) partition by range (started_at);

insert into ingest.partitioned_tables values ('evaluation.rule_results', ''), ('evaluation.judgements', '');

create view evaluation.scores as
select
    results.call_id,
    results.started_at,
    versions.evaluator,
    versions.version as evaluator_version,
    case
        when results.unscored ? versions.evaluator then null
        when versions.evaluator = any (results.failed) then 0
        else 1
    end::numeric as value,
    case
        when results.unscored ? versions.evaluator then null
        when versions.evaluator = any (results.failed) then 'fail'
        else 'pass'
    end as label,
    results.unscored ->> versions.evaluator as unscored_reason
from evaluation.rule_results as results
inner join evaluation.rule_set_members as members using (rule_set_version)
inner join evaluation.evaluator_versions as versions on versions.id = members.evaluator_version_id
union all
select
    judgements.call_id,
    judgements.started_at,
    versions.evaluator,
    versions.version as evaluator_version,
    judgements.value,
    judgements.label,
    judgements.unscored_reason
from evaluation.judgements
inner join evaluation.evaluator_versions as versions on versions.id = judgements.evaluator_version_id;

create table evaluation.feedback (
    call_id uuid not null,
    started_at timestamptz not null,
    name text not null,
    value numeric,
    comment text,
    at timestamptz not null,
    primary key (call_id, name, at)
);

create table evaluation.quarantine (
    started_at timestamptz not null,
    call_id uuid not null,
    check_name text not null,
    reason text not null,
    quarantined_at timestamptz not null default now(),
    primary key (started_at, call_id, check_name)
);

create table evaluation.day_checks (
    day date not null,
    check_name text not null,
    passed boolean not null,
    n bigint not null,
    severity text not null check (severity in ('error', 'warn')),
    details jsonb not null default '{}',
    checked_at timestamptz not null default now(),
    primary key (day, check_name)
);

create table evaluation.day_closes (
    day date primary key,
    n_calls bigint not null,
    low_watermark timestamptz,
    closed_at timestamptz not null default now(),
    reopened_at timestamptz
);

create table evaluation.restatements (
    restatement_id uuid primary key default gen_random_uuid(),
    day date not null,
    stage text not null,
    n_calls_before bigint,
    n_calls_after bigint,
    reason text not null,
    restated_at timestamptz not null default now()
);
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("drop schema evaluation cascade")
    op.execute("delete from ingest.partitioned_tables where parent like 'evaluation.%'")
