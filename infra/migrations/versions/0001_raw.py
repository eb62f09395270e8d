"""Landing: raw calls and bodies, spools, dead letters, dirty hours.

Fact tables are range-partitioned by month on `started_at` and have no default partition: one stray row in
it blocks making its month. `ingest.ensure_month` makes a month for every partitioned fact table at once.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = r"""
create schema if not exists raw;

do $$
begin
    if not exists (select from pg_roles where rolname = 'lqo_reader') then
        create role lqo_reader nologin;
    end if;
exception
    when insufficient_privilege or duplicate_object or unique_violation then
        raise notice 'role lqo_reader is not made here; grants to it are skipped where it is absent';
end
$$;

create function ingest.uuid7_time(id uuid) returns timestamptz
language sql immutable strict parallel safe
return to_timestamp(('x0000' || substr(replace(id::text, '-', ''), 1, 12))::bit(64)::bigint / 1000.0);

create table raw.llm_calls (
    call_id uuid not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    external_id text,
    source text not null check (source in ('proxy', 'import', 'otlp')),
    endpoint text not null,
    provider text not null,
    requested_model text not null,
    served_model text,
    project text,
    environment text,
    key_id text,
    user_id text,
    session_id text,
    trace_id text,
    prompt_name text,
    prompt_version text,
    tags jsonb not null default '{}',
    is_streamed boolean not null default false,
    status text not null check (status in ('ok', 'error', 'interrupted', 'client_gone')),
    http_status integer,
    error_type text,
    error_message text,
    finish_reason text,
    ttft_ms double precision,
    latency_ms double precision,
    usage jsonb,
    usage_raw text,
    purpose text not null default 'product' check (purpose in ('product', 'judge', 'replay', 'demo')),
    body_state text not null default 'full' check (body_state in ('full', 'text', 'masked', 'none', 'shed')),
    load_id uuid not null,
    attempts jsonb not null default '[]',
    input_preview text,
    output_preview text,
    content_hash bytea not null,
    landed_at timestamptz not null default now(),
    primary key (started_at, call_id),
    constraint call_id_holds_started_at check (started_at = ingest.uuid7_time(call_id))
) partition by range (started_at);

create table raw.llm_bodies (
    call_id uuid not null,
    started_at timestamptz not null,
    request bytea,
    response bytea,
    input_text text,
    output_text text,
    primary key (started_at, call_id)
) partition by range (started_at);
alter table raw.llm_bodies alter column request set storage external;
alter table raw.llm_bodies alter column response set storage external;

create table raw.external_ids (
    source text not null,
    external_id text not null,
    call_id uuid not null,
    started_at timestamptz not null,
    content_hash bytea not null,
    primary key (source, external_id)
);

create table raw.loads (
    load_id uuid primary key,
    kind text not null check (kind in ('spool', 'import')),
    origin text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    landed bigint not null default 0,
    already_there bigint not null default 0,
    rejected bigint not null default 0
);

create table raw.dead_letters (
    digest bytea primary key,
    source text not null,
    origin text not null,
    position text,
    reason text not null,
    detail text,
    record bytea,
    load_id uuid,
    dead_at timestamptz not null default now()
);
comment on column raw.dead_letters.digest is
    'SHA-256 over source, reason and record: a second try of the same input leaves no second row';

create sequence raw.dirty_versions;
create table raw.dirty_hours (
    hour timestamptz not null,
    stage text not null check (stage in ('calls', 'scores', 'charges', 'labels', 'prices')),
    version bigint not null default nextval('raw.dirty_versions'),
    changed_at timestamptz not null default now(),
    primary key (hour, stage, version)
);
comment on table raw.dirty_hours is
    'Append-only marks: writers never wait for one another, and a reader deletes exactly the versions it has seen, so a transaction that commits late is never cleared unseen';

create table ingest.spools (
    spool_id uuid primary key,
    host text not null,
    path text not null,
    low_watermark timestamptz,
    seen_at timestamptz not null default now(),
    retired_at timestamptz
);

create table ingest.segments (
    segment_id uuid primary key,
    spool_id uuid not null,
    number bigint not null,
    loaded_seq bigint not null default 0,
    row_count bigint,
    last_seq bigint,
    problem text,
    sealed_at timestamptz,
    finished_at timestamptz,
    updated_at timestamptz not null default now()
);

create table ingest.open_calls (
    call_id uuid not null,
    kind text not null check (kind in ('start', 'part')),
    number integer not null default 0,
    spool_id uuid not null,
    owner text not null,
    payload bytea not null,
    seen_at timestamptz not null default now(),
    primary key (call_id, kind, number)
);
comment on table ingest.open_calls is
    'Records of calls that have no END yet: kept here so that a segment may go while a call is still open';
comment on column ingest.open_calls.owner is
    'The epoch of the proxy that has the call open: once it is gone, no END will come';

create table ingest.partitioned_tables (parent text primary key, options text not null default '');
insert into ingest.partitioned_tables values
    ('raw.llm_calls', ''),
    ('raw.llm_bodies', 'toast_tuple_target = 8160');

create function ingest.ensure_month(month date) returns void
language plpgsql as $$
declare
    first_day date := date_trunc('month', month)::date;
    lower_bound timestamptz := first_day::timestamp at time zone 'UTC';
    upper_bound timestamptz := (first_day + interval '1 month')::timestamp at time zone 'UTC';
    target record;
    child text;
begin
    for target in select parent, options from ingest.partitioned_tables order by parent loop
        child := target.parent || to_char(first_day, '"_y"YYYY"m"MM');
        continue when to_regclass(child) is not null;
        perform pg_advisory_xact_lock(hashtextextended('ingest.ensure_month', 0));
        -- Not to_regclass: it may answer from a cache that has not heard of what another session committed
        -- while this one waited. A query sees that with a snapshot of its own.
        continue when exists (
            select from pg_class
            inner join pg_namespace on pg_namespace.oid = pg_class.relnamespace
            where pg_namespace.nspname || '.' || pg_class.relname = child
        );
        execute format('create table %s (like %s including all)', child, target.parent);
        if target.options <> '' then
            execute format('alter table %s set (%s)', child, target.options);
        end if;
        execute format(
            'alter table %s attach partition %s for values from (%L) to (%L)',
            target.parent, child, lower_bound, upper_bound
        );
    end loop;
end
$$;
comment on function ingest.ensure_month(date) is
    'Makes a month of every fact table; LIKE plus ATTACH, because CREATE … PARTITION OF would lock out readers';
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(
        "drop schema raw cascade; drop table ingest.spools, ingest.segments, ingest.open_calls, ingest.partitioned_tables;"
    )
    op.execute("drop function ingest.ensure_month(date); drop function ingest.uuid7_time(uuid);")
