"""Recorded prompts replayed through other models: what was claimed and paid, and the frontier it gave."""

from alembic import op

revision = "0036"
down_revision = "0034"
branch_labels = None
depends_on = None

SQL = r"""
create table evaluation.replays (
    replay_id uuid primary key,
    fingerprint bytea not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    settings jsonb not null,
    sample jsonb not null,
    models text[] not null,
    max_usd numeric not null check (max_usd > 0 and max_usd <> 'NaN'),
    outcome text check (outcome in ('finished', 'out_of_budget')),
    started_at timestamptz not null,
    finished_at timestamptz,
    constraint finished_with_an_outcome check ((outcome is null) = (finished_at is null))
);
create index replays_by_fingerprint on evaluation.replays (fingerprint, started_at);
create index replays_by_start on evaluation.replays (started_at);
comment on table evaluation.replays is 'One row per sample of recorded prompts that is replayed through models';
comment on column evaluation.replays.fingerprint is
    'SHA-256 over all that decides the result; the same command continues a replay that is not finished';
comment on column evaluation.replays.sample is
    'The calls that were drawn, with the stratum of each, and how many calls each stratum holds; drawn once, so that a replay that goes on has the same';
comment on column evaluation.replays.max_usd is 'Of all attempts together';

create table evaluation.replay_claims (
    purpose text not null check (purpose in ('replay', 'judge')),
    subject text not null,
    key bytea not null,
    replay_id uuid not null references evaluation.replays,
    reserved_usd numeric not null check (reserved_usd >= 0),
    spent_usd numeric check (spent_usd >= 0),
    is_known boolean,
    call_id uuid,
    claimed_at timestamptz not null default now(),
    settled_at timestamptz,
    primary key (purpose, subject, key, replay_id),
    constraint settled_with_an_amount check ((settled_at is null) = (spent_usd is null and is_known is null))
);
create index replay_claims_by_replay on evaluation.replay_claims (replay_id);
comment on table evaluation.replay_claims is
    'One row per request of a replay, written before it is sent: what it may cost, then what it did. A claim of a process that is gone counts as spent and is not sent again';
comment on column evaluation.replay_claims.key is 'SHA-256 of the request (replay) or of the judged content (judge)';
comment on column evaluation.replay_claims.is_known is
    'false: nobody knows what it cost (no usage, no answer), so what was reserved counts';

create table evaluation.replay_points (
    replay_id uuid not null references evaluation.replays,
    rubric text not null,
    model text not null,
    is_incumbent boolean not null,
    evaluator_version_id integer not null references evaluation.evaluator_versions (id),
    judge_model text not null,
    n_prompts integer not null,
    n_answered integer not null,
    n_graded integer not null,
    n_priced integer not null,
    n_pairs integer not null,
    represented double precision not null,
    grade double precision,
    grade_low double precision,
    grade_high double precision,
    grade_difference double precision,
    grade_difference_low double precision,
    grade_difference_high double precision,
    usd_per_1k double precision,
    usd_per_1k_low double precision,
    usd_per_1k_high double precision,
    usd_per_1k_difference double precision,
    usd_per_1k_difference_low double precision,
    usd_per_1k_difference_high double precision,
    sample_usd numeric not null,
    price_version bigint not null,
    dominated_by text[] not null,
    surely_dominated_by text[] not null,
    unscored jsonb not null,
    computed_at timestamptz not null default now(),
    primary key (replay_id, rubric, model, is_incumbent)
);
comment on table evaluation.replay_points is
    'One row per replay, rubric and model: how good and how dear, with intervals, and which model is better and cheaper';

alter table evaluation.eval_items add column cost_usd numeric;
comment on column evaluation.eval_items.cost_usd is
    'What the answer cost; null where nobody knows, or where no replay asked for it';

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on evaluation.replays, evaluation.replay_claims, evaluation.replay_points to lqo_reader;
        grant select (cost_usd) on evaluation.eval_items to lqo_reader;
    end if;
end
$$;
"""

DOWN = r"""
drop view if exists staging.stg_evaluation__replays, staging.stg_evaluation__replay_claims,
    staging.stg_evaluation__replay_points cascade;
alter table evaluation.eval_items drop column cost_usd;
drop table evaluation.replay_points, evaluation.replay_claims, evaluation.replays;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
