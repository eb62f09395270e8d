"""Rules that people write: their definitions, and the label of a call that several rules fail."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SQL = r"""
create table evaluation.rules (
    id text not null,
    version text not null,
    definition jsonb not null,
    kind text not null,
    priority integer not null,
    label text not null,
    severity text not null generated always as (coalesce(definition ->> 'severity', 'warning')) stored,
    scope jsonb not null generated always as (coalesce(definition -> 'scope', '{}')) stored,
    is_enabled boolean not null default true,
    source text not null,
    recorded_at timestamptz not null default now(),
    primary key (id, version)
);
comment on table evaluation.rules is
    'Every version of a written rule there ever was. Which is in force, evaluator_versions says of (id, version)';
comment on column evaluation.rules.source is
    'The file of the folder of rules, or "table" for rules that were added by `lqo rules`';
comment on column evaluation.rules.is_enabled is
    'Whether a rule of the table may be in force; a rule of a file is switched off in its file';

create view evaluation.call_labels as
select
    results.started_at,
    results.call_id,
    results.rule_set_version,
    first_rule.evaluator,
    first_rule.label,
    first_rule.severity,
    first_rule.priority
from evaluation.rule_results as results
inner join evaluation.rule_sets as sets on sets.id = results.rule_set_version
cross join lateral (
    select
        versions.evaluator,
        coalesce(rules.label, versions.evaluator) as label,
        versions.severity,
        coalesce(
            rules.priority,
            case versions.severity when 'critical' then 300 when 'warning' then 200 else 100 end
        ) as priority
    from evaluation.rule_set_members as members
    inner join evaluation.evaluator_versions as versions on versions.id = members.evaluator_version_id
    left join evaluation.rules on rules.id = versions.evaluator and rules.version = versions.version
    where members.rule_set_version = results.rule_set_version
        and versions.evaluator = any (results.failed)
    order by priority desc, versions.evaluator
    limit 1
) as first_rule
where sets.current_to is null;
comment on view evaluation.call_labels is
    'One row a call that fails a rule of the current set: the rule of the highest priority (then the first by name) gives the label';

do $$
begin
    if exists (select from pg_roles where rolname = 'lqo_reader') then
        grant select on evaluation.rules, evaluation.call_labels to lqo_reader;
    end if;
end
$$;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("drop view evaluation.call_labels")
    op.execute("drop table evaluation.rules")
