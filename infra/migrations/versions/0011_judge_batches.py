"""Judgements asked in batches: the batches sent, the requests in them, the calls that wait for a verdict."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SQL = r"""
alter table evaluation.judges
    add column processing text not null default 'direct' check (processing in ('direct', 'batch'));
comment on column evaluation.judges.processing is
    'direct: asked at once; batch: asked through the provider''s Batch API, within a day and at half the price';

create table evaluation.judge_batches (
    id uuid primary key,
    evaluator_version_id integer not null references evaluation.evaluator_versions (id),
    provider text not null,
    judge_model text not null,
    base_url text not null,
    secret_ref text,
    state text not null default 'prepared'
        check (state in ('prepared', 'uploaded', 'submitted', 'collected', 'failed')),
    n_requests integer not null,
    n_bytes bigint not null,
    input_file_id text,
    create_tried_at timestamptz,
    provider_batch_id text unique,
    provider_status text,
    provider_created_at timestamptz,
    expires_at timestamptz,
    output_file_id text,
    error_file_id text,
    n_answered integer not null default 0,
    n_failed integer not null default 0,
    n_ignored integer not null default 0,
    n_reads smallint not null default 0,
    problem text,
    n_problems smallint not null default 0,
    next_look_at timestamptz not null default now(),
    prepared_at timestamptz not null default now(),
    submitted_at timestamptz,
    ended_at timestamptz,
    collected_at timestamptz
);
create index judge_batches_open on evaluation.judge_batches (next_look_at)
    where state in ('prepared', 'uploaded', 'submitted');
comment on table evaluation.judge_batches is
    'A batch is prepared (its requests are claimed), uploaded (the file is at the provider), submitted (the provider has a batch) and collected; failed means that the provider never executed it';
comment on column evaluation.judge_batches.base_url is
    'Where this batch is, with where its key is read: whatever becomes of the judge, what was paid for is fetched there';
comment on column evaluation.judge_batches.create_tried_at is
    'Written before the provider is asked to make the batch: from then on it may exist, and is looked for before it is made again';

create table evaluation.judge_requests (
    evaluator_version_id integer not null references evaluation.evaluator_versions (id),
    content_hash bytea not null,
    started_at timestamptz not null,
    call_id uuid not null,
    n_bytes integer not null,
    policy text not null,
    asked_on date not null,
    backfill text,
    reserved_usd numeric,
    state text not null default 'waiting'
        check (state in ('waiting', 'sent', 'answered', 'given_up', 'cancelled')),
    batch_id uuid references evaluation.judge_batches (id),
    attempts smallint not null default 0,
    output text,
    reason text,
    detail text,
    not_before timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    primary key (evaluator_version_id, content_hash),
    constraint sent_in_a_batch check ((state = 'sent') <= (batch_id is not null))
);
create index judge_requests_waiting on evaluation.judge_requests (evaluator_version_id, not_before)
    where state = 'waiting';
create index judge_requests_by_batch on evaluation.judge_requests (batch_id) where state = 'sent';
comment on table evaluation.judge_requests is
    'One row a verdict that is asked for in batches: its key is what makes it impossible to ask twice';

comment on column evaluation.judge_requests.output is
    'The form of answer that is asked for where the provider has refused the stronger ones; null: the judge''s first';
comment on column evaluation.judge_requests.reserved_usd is
    'Counted as spent on asked_on (and in the backfill) until the request is settled by what it did cost';

create table evaluation.judge_request_calls (
    started_at timestamptz not null,
    call_id uuid not null,
    evaluator_version_id integer not null,
    content_hash bytea not null,
    inclusion_probability double precision not null default 1,
    primary key (started_at, call_id, evaluator_version_id)
);
create index judge_request_calls_by_request
    on evaluation.judge_request_calls (evaluator_version_id, content_hash);
comment on table evaluation.judge_request_calls is
    'Calls that wait for a verdict of a batch; equal contents share one request. A row goes when its judgement is written';

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on evaluation.judge_batches, evaluation.judge_requests, evaluation.judge_request_calls
            to lqo_reader;
    end if;
end $$;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(
        "drop table evaluation.judge_request_calls, evaluation.judge_requests, evaluation.judge_batches"
    )
    op.execute("alter table evaluation.judges drop column processing")
