"""`evaluation.scores` shows a verdict once, however many rule sets hold it.

A rule that did not change is a member of several rule sets, and a call judged under two of them has two
results. The view listed the verdict twice, so that whoever counted calls by rule counted them twice.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

VIEW = r"""
create or replace view evaluation.scores as
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
{said_later}
inner join evaluation.rule_set_members as members on members.rule_set_version = results.rule_set_version
inner join evaluation.evaluator_versions as versions on versions.id = members.evaluator_version_id
{only_newest}
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
"""

# An aggregate, so that it stays one probe of the primary key a result and never becomes a join over history.
SAID_LATER = """
cross join lateral (
    select coalesce(array_agg(others.evaluator_version_id), '{}') as ids
    from evaluation.rule_results as later
    inner join evaluation.rule_set_members as others on others.rule_set_version = later.rule_set_version
    where later.started_at = results.started_at
        and later.call_id = results.call_id
        and later.rule_set_version <> results.rule_set_version
        and (later.scored_at, later.rule_set_version) > (results.scored_at, results.rule_set_version)
) as said_later
"""
ONLY_NEWEST = "where members.evaluator_version_id <> all (said_later.ids)"


def upgrade() -> None:
    op.execute(VIEW.replace("{said_later}", SAID_LATER).replace("{only_newest}", ONLY_NEWEST))


def downgrade() -> None:
    op.execute(VIEW.replace("{said_later}", "").replace("{only_newest}", ""))
