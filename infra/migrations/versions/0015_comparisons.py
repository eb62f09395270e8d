"""Evaluation runs: a dataset answered by one or two models, judged, compared and gated.

Texts stand as `json`, not `jsonb`: it keeps `\\u0000` and lone surrogates as they were written. They have grants
of their own, as bodies do.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SQL = r"""
create table evaluation.eval_runs (
    run_id uuid primary key,
    fingerprint bytea not null,
    name text not null default '',
    dataset text not null,
    dataset_hash bytea not null,
    n_items integer not null check (n_items >= 0),
    candidate text not null,
    baseline text,
    judge_model text,
    rubrics text[] not null,
    is_pairwise boolean not null,
    settings jsonb not null default '{}',
    figures jsonb,
    outcome text check (outcome in ('measured', 'passed', 'failed', 'not_judged')),
    started_at timestamptz not null,
    finished_at timestamptz,
    constraint finished_with_an_outcome check ((outcome is null) = (finished_at is null))
);
create index eval_runs_unfinished on evaluation.eval_runs (fingerprint) where finished_at is null;
create index eval_runs_by_start on evaluation.eval_runs (started_at);
comment on column evaluation.eval_runs.fingerprint is
    'SHA-256 over all that decides the result; a run that was killed is continued by the same command';
comment on column evaluation.eval_runs.outcome is
    'measured: there was no gate; not_judged: a metric of the gate has no figure, which is neither kept nor broken';
comment on column evaluation.eval_runs.name is
    'Answers are reused among runs of one name only';

create table evaluation.eval_items (
    run_id uuid not null references evaluation.eval_runs,
    side text not null check (side in ('candidate', 'baseline')),
    item_id text not null,
    position integer not null,
    cluster text not null,
    item json not null,
    request_hash bytea not null,
    answers json,
    no_answer_reason text,
    no_answer_detail text,
    origin text check (origin in ('asked', 'recorded', 'reused')),
    call_id uuid,
    answered_at timestamptz,
    usage jsonb,
    grades jsonb not null default '{}',
    unscored jsonb not null default '{}',
    reasons json not null default '{}',
    primary key (run_id, side, item_id),
    constraint answered_or_says_why check (answers is null or no_answer_reason is null)
);
create index eval_items_by_request on evaluation.eval_items (request_hash) where answers is not null;
comment on table evaluation.eval_items is
    'An item of a dataset and what one side said to it. grades is rubric to 1-5, unscored rubric to reason: a rubric is in at most one of the two';
comment on column evaluation.eval_items.request_hash is
    'SHA-256 over endpoint, model, parameters and conversation: the same request is not asked twice';

create table evaluation.pairwise_verdicts (
    run_id uuid not null references evaluation.eval_runs,
    item_id text not null,
    evaluator_version_id integer not null references evaluation.evaluator_versions (id),
    is_candidate_first boolean not null,
    content_hash bytea not null,
    judge_model text not null,
    winner text check (winner in ('candidate', 'baseline', 'tie')),
    unscored_reason text,
    explanation json,
    judged_at timestamptz not null default now(),
    primary key (run_id, item_id, evaluator_version_id, is_candidate_first),
    constraint compared_or_says_why check ((winner is null) = (unscored_reason is not null))
);
comment on table evaluation.pairwise_verdicts is
    'One row an order: both are asked, and only what both say counts';

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on evaluation.eval_runs to lqo_reader;
        grant select (
            run_id, side, item_id, position, cluster, request_hash, no_answer_reason, origin, call_id, answered_at,
            usage, grades, unscored
        ) on evaluation.eval_items to lqo_reader;
        grant select (
            run_id, item_id, evaluator_version_id, is_candidate_first, content_hash, judge_model, winner,
            unscored_reason, judged_at
        ) on evaluation.pairwise_verdicts to lqo_reader;
    end if;
end $$;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("drop table evaluation.pairwise_verdicts, evaluation.eval_items, evaluation.eval_runs")
