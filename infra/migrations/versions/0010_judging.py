"""What judges are asked, by which policy, and what they said.

`evaluation.verdicts` is the one place where a paid verdict is kept: a call's judgement is made from it, and
so is every later judgement of the same content. `evaluation.sample_point` is where a call stands between 0
and 1 for a policy: a call is selected where it stands below the policy's rate.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SQL = r"""
create table evaluation.judge_policies (
    policy text primary key check (policy ~ '^[a-z][a-z0-9_-]{0,62}$'),
    rate double precision not null default 0.05 check (rate >= 0 and rate <= 1),
    on_failure boolean not null default true,
    strata text[] not null default '{model}'
        check (strata <@ array['model', 'prompt', 'user', 'project']::text[]),
    min_per_stratum integer not null default 0 check (min_per_stratum between 0 and 10000),
    models text[],
    prompts text[],
    projects text[],
    max_usd_per_day numeric check (max_usd_per_day >= 0 and max_usd_per_day <> 'NaN'),
    max_usd_per_backfill numeric check (max_usd_per_backfill >= 0 and max_usd_per_backfill <> 'NaN'),
    max_calls_per_day bigint check (max_calls_per_day >= 0),
    max_calls_per_backfill bigint check (max_calls_per_backfill >= 0),
    applies_from date not null default (now() at time zone 'UTC')::date,
    updated_at timestamptz not null default now()
);
comment on column evaluation.judge_policies.models is 'Only calls of these; null means all, as for prompts and projects';
comment on column evaluation.judge_policies.on_failure is 'Calls that fail a rule of severity above info are selected whatever the rate';
comment on column evaluation.judge_policies.applies_from is 'Earlier days are judged by backfills alone';

create table evaluation.judges (
    judge text primary key check (judge ~ '^[a-z][a-z0-9_-]{0,62}$'),
    evaluator text not null,
    rubric text not null,
    provider text not null check (provider <> ''),
    model text not null check (model <> ''),
    base_url text not null check (base_url ~ '^https?://'),
    secret_ref text check (secret_ref ~ '^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$'),
    parameters jsonb not null default '{}' check (jsonb_typeof(parameters) = 'object'),
    policy text not null references evaluation.judge_policies,
    concurrency integer not null default 8 check (concurrency between 1 and 1000),
    cache_days integer check (cache_days >= 0),
    is_enabled boolean not null default true,
    evaluator_version_id integer references evaluation.evaluator_versions (id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index one_judge_an_evaluator on evaluation.judges (evaluator) where is_enabled;
comment on column evaluation.judges.rubric is 'The Markdown itself: a release that ships other words does not change a running judge';
comment on column evaluation.judges.secret_ref is
    'Where the key is read: env:NAME or file:/path; null sends none. A value is never stored';
comment on column evaluation.judges.cache_days is 'Verdicts older than this are not used again; null means for ever';

create table evaluation.judge_versions (
    evaluator_version_id integer primary key references evaluation.evaluator_versions (id),
    judge text not null,
    rubric text not null,
    provider text not null,
    model text not null,
    parameters jsonb not null,
    recorded_at timestamptz not null default now()
);
comment on table evaluation.judge_versions is 'What a version of a judge was, word for word';

create table evaluation.judge_days (
    evaluator_version_id integer not null references evaluation.evaluator_versions (id),
    day date not null,
    policy text not null,
    first_run_at timestamptz not null default now(),
    last_run_at timestamptz not null default now(),
    topped_up_at timestamptz,
    primary key (evaluator_version_id, day)
);
comment on table evaluation.judge_days is 'Days that a judge has worked on: the ledger speaks of these';

create table evaluation.judge_selections (
    started_at timestamptz not null,
    call_id uuid not null,
    policy text not null,
    probability double precision not null check (probability > 0 and probability <= 1),
    rate double precision not null,
    phase smallint not null check (phase in (1, 2)),
    is_failure boolean not null,
    stratum text not null,
    selected_at timestamptz not null default now(),
    primary key (started_at, call_id, policy)
) partition by range (started_at);
comment on column evaluation.judge_selections.phase is '1: below the rate, or failing; 2: tops a stratum up to its minimum';
comment on column evaluation.judge_selections.rate is 'The policy''s rate when the call was selected';
comment on column evaluation.judge_selections.probability is
    'That the call is selected in either phase, before anybody looked at its sample point';
insert into ingest.partitioned_tables values ('evaluation.judge_selections', '');

create table evaluation.verdicts (
    content_hash bytea not null,
    evaluator_version_id integer not null references evaluation.evaluator_versions (id),
    judge_model text not null,
    value numeric,
    label text,
    explanation text,
    details jsonb not null default '{}',
    unscored_reason text,
    served_model text,
    usage jsonb,
    cost_usd numeric,
    judge_call_id uuid,
    judged_at timestamptz not null default now(),
    primary key (content_hash, evaluator_version_id, judge_model),
    constraint verdict_or_says_why check ((value is null) = (unscored_reason is not null))
);
create index verdicts_by_version on evaluation.verdicts (evaluator_version_id, judged_at);
comment on table evaluation.verdicts is
    'What was paid for, by content: never asked again. Reasons that may pass (error, parse_error, skipped_budget) are not kept here';

alter table evaluation.judgements
    add column content_hash bytea,
    add column policy text,
    add column is_cached boolean not null default false,
    add column is_retriable boolean not null default false;
create index judgements_retriable on evaluation.judgements (started_at, call_id) where is_retriable;
comment on column evaluation.judgements.is_retriable is
    'Unscored for a reason that may pass, with tries left (attempts counts answered and failed requests, not a budget that was spent)';
comment on column evaluation.judgements.is_cached is 'The verdict was paid for another call with the same content';

create table evaluation.judge_spend (
    policy text not null,
    scope text not null check (scope in ('day', 'backfill')),
    subject text not null,
    n_calls bigint not null default 0,
    amount_usd numeric not null default 0,
    n_unpriced bigint not null default 0,
    primary key (policy, scope, subject)
);
comment on table evaluation.judge_spend is
    'What a policy''s judges have cost on a UTC day (of asking) or in a backfill; written in the transaction that keeps the verdicts';

create function evaluation.sample_point(call_id uuid, policy text) returns double precision
language sql immutable strict parallel safe
return ('x' || substr(md5(call_id::text || '/' || policy), 1, 13))::bit(52)::bigint / 4503599627370496.0::double precision;

do $$
begin
    if to_regclass('marts.quality_hourly') is not null then
        alter table marts.quality_hourly
            add column kind text not null default 'rule',
            add column n_clusters bigint,
            add column mean_score double precision,
            add column mean_score_low double precision,
            add column mean_score_high double precision,
            alter column n_failed drop not null;
        alter table marts.quality_hourly alter column kind drop default;
    end if;
    if to_regclass('marts.evaluation_coverage') is not null then
        alter table marts.evaluation_coverage
            add column kind text not null default 'rule',
            alter column n_failed drop not null;
        alter table marts.evaluation_coverage alter column kind drop default;
    end if;
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on evaluation.judge_policies, evaluation.judges, evaluation.judge_versions,
            evaluation.judge_days, evaluation.judge_selections, evaluation.judge_spend to lqo_reader;
        -- A judge's reasons quote what people wrote, which has grants of its own.
        revoke select on evaluation.judgements from lqo_reader;
        grant select (
            started_at, call_id, evaluator_version_id, value, label, unscored_reason, judge_model,
            inclusion_probability, cost_usd, attempts, scored_at, content_hash, policy, is_cached, is_retriable
        ) on evaluation.judgements to lqo_reader;
        grant select (
            content_hash, evaluator_version_id, judge_model, value, label, unscored_reason, served_model, usage,
            cost_usd, judge_call_id, judged_at
        ) on evaluation.verdicts to lqo_reader;
    end if;
end $$;
"""

DOWN = r"""
do $$
begin
    if to_regclass('marts.quality_hourly') is not null then
        delete from marts.quality_hourly where kind <> 'rule';
        alter table marts.quality_hourly
            drop column kind, drop column n_clusters, drop column mean_score, drop column mean_score_low,
            drop column mean_score_high, alter column n_failed set not null;
    end if;
    if to_regclass('marts.evaluation_coverage') is not null then
        delete from marts.evaluation_coverage where kind <> 'rule';
        alter table marts.evaluation_coverage drop column kind, alter column n_failed set not null;
    end if;
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on evaluation.judgements to lqo_reader;
    end if;
end $$;
drop view if exists staging.stg_evaluation__judgements, staging.stg_evaluation__judge_selections,
    staging.stg_evaluation__judge_days, staging.stg_evaluation__judges cascade;
drop function evaluation.sample_point(uuid, text);
drop table evaluation.judge_spend, evaluation.verdicts, evaluation.judge_selections, evaluation.judge_days,
    evaluation.judge_versions, evaluation.judges, evaluation.judge_policies;
delete from ingest.partitioned_tables where parent = 'evaluation.judge_selections';
drop index evaluation.judgements_retriable;
alter table evaluation.judgements
    drop column content_hash, drop column policy, drop column is_cached, drop column is_retriable;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
