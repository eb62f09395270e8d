"""Access: models, projects, keys, limits and budgets, which the proxy follows by one version number.

Every statement on one of these tables raises `access.state.version` in its own transaction, so that a
proxy asks one row whether anything has changed. Secrets of providers are references (`env:NAME`,
`file:/path`), never values; of our own keys only a hash is kept.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SQL = r"""
create table access.state (
    is_only boolean primary key default true check (is_only),
    version bigint not null,
    changed_at timestamptz not null
);
insert into access.state (version, changed_at) values (1, now());
comment on table access.state is 'One row: its version rises with every statement on a table of this schema';

create table access.llm_models (
    alias text not null,
    position integer not null check (position > 0),
    tier integer not null default 1 check (tier > 0),
    provider text not null check (provider <> ''),
    wire text not null check (wire in ('openai', 'anthropic', 'gemini', 'azure')),
    model text not null check (model <> ''),
    base_url text not null check (base_url ~ '^https?://'),
    secret_ref text check (secret_ref ~ '^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$'),
    weight integer not null default 1 check (weight > 0),
    is_enabled boolean not null default true,
    deadline_seconds double precision check (deadline_seconds > 0 and deadline_seconds < 'infinity'),
    max_requests_per_minute integer check (max_requests_per_minute > 0),
    max_tokens_per_minute bigint check (max_tokens_per_minute > 0),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (alias, position),
    constraint alias_is_a_name check (alias ~ '^[^\s\x01-\x1f\x7f]{1,200}$')
);
comment on table access.llm_models is
    'Targets of an alias: tried tier by tier, by weight inside a tier; all of one alias speak one wire protocol';
comment on column access.llm_models.secret_ref is
    'Where the proxy reads the provider''s key: env:NAME or file:/path; null forwards the client''s own';

create table access.projects (
    project text primary key check (project <> ''),
    keep text not null default 'full' check (keep in ('full', 'text', 'masked', 'none')),
    mask_kinds text[] not null default '{}',
    mask_patterns jsonb not null default '{}' check (
        jsonb_typeof(mask_patterns) = 'object'
        and not jsonb_path_exists(mask_patterns, '$.* ? (@.type() <> "string")')
    ),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table access.projects is 'What may be kept of a project''s calls; mask_patterns is name to regex';

create table access.api_keys (
    key_id text primary key,
    prefix text not null,
    secret_hash bytea not null unique,
    owner text not null,
    project text,
    environment text,
    allowed_models text[],
    expires_at timestamptz check (expires_at between '2000-01-01 00:00+00' and '9000-01-01 00:00+00'),
    created_at timestamptz not null default now(),
    revoked_at timestamptz check (isfinite(revoked_at)),
    replaced_by text references access.api_keys,
    overlap_until timestamptz check (overlap_until between '2000-01-01 00:00+00' and '9000-01-01 00:00+00')
);
comment on column access.api_keys.allowed_models is 'Aliases; null means all';

create table access.limits (
    scope text not null check (scope in ('key', 'user', 'ip', 'project')),
    subject text not null check (subject <> ''),
    requests_per_minute integer check (requests_per_minute > 0),
    tokens_per_minute bigint check (tokens_per_minute > 0),
    primary key (scope, subject)
);
comment on column access.limits.subject is 'Whom it binds; * means each one by itself';

create table access.budgets (
    budget_id text primary key,
    scope text not null check (scope in ('key', 'user', 'project')),
    subject text not null check (subject <> ''),
    period text not null check (period in ('day', 'month')),
    limit_usd numeric(18, 6) not null check (limit_usd >= 0 and limit_usd <> 'NaN'),
    created_at timestamptz not null default now()
);

create function access.raise_version() returns trigger language plpgsql as $$
begin
    update access.state set version = version + 1, changed_at = clock_timestamp();
    return null;
end $$;

create function access.refuse_mixed_wires() returns trigger language plpgsql as $$
declare
    mixed text;
begin
    select alias into mixed from access.llm_models group by alias having count(distinct wire) > 1 limit 1;
    if mixed is not null then
        raise exception using
            message = 'the targets of ' || mixed || ' speak different wire protocols',
            errcode = 'check_violation';
    end if;
    return null;
end $$;

-- Versions first: its row lock makes writers take turns, so that the check of wires sees every committed row.
create trigger a_raise_version after insert or update or delete or truncate on access.llm_models
    for each statement execute function access.raise_version();
create trigger b_refuse_mixed_wires after insert or update on access.llm_models
    for each statement execute function access.refuse_mixed_wires();
create trigger raise_version after insert or update or delete or truncate on access.projects
    for each statement execute function access.raise_version();
create trigger raise_version after insert or update or delete or truncate on access.api_keys
    for each statement execute function access.raise_version();
create trigger raise_version after insert or update or delete or truncate on access.limits
    for each statement execute function access.raise_version();
create trigger raise_version after insert or update or delete or truncate on access.budgets
    for each statement execute function access.raise_version();

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant usage on schema access to lqo_reader;
        grant select on access.state, access.llm_models, access.projects, access.limits, access.budgets to lqo_reader;
        grant select (
            key_id, prefix, owner, project, environment, allowed_models, expires_at, created_at, revoked_at,
            replaced_by, overlap_until
        ) on access.api_keys to lqo_reader;
    end if;
end $$;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(
        "drop table access.llm_models, access.projects, access.api_keys, access.limits, access.budgets, access.state"
    )
    op.execute("drop function access.raise_version, access.refuse_mixed_wires")
