"""Rule sets as the warehouse knows them: which exact versions of which rules a result was made with."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.rules.base import Rule
from evaluators.rules.identity import rule_hash, rule_set_hash
from orchestration.transactions import writing

RULE_NAME = re.compile(r"[a-z][a-z0-9_]*")

KNOWN_SETS = """
select sets.hash, sets.id, sets.current_to is null, array_agg(members.evaluator_version_id)
from evaluation.rule_sets as sets
inner join evaluation.rule_set_members as members on members.rule_set_version = sets.id
group by sets.hash, sets.id
"""

ADD_VERSIONS = """
insert into evaluation.evaluator_versions
    (evaluator, version, kind, status, severity, description, current_from)
select name, version, 'rule', 'active', severity, description, now()
from unnest(%(names)s::text[], %(versions)s::text[], %(severities)s::text[], %(descriptions)s::text[])
    as given (name, version, severity, description)
on conflict (evaluator, version) do update
set status = 'active', current_from = now(), current_to = null
where evaluator_versions.status <> 'active'
"""

RETIRE_VERSIONS = """
update evaluation.evaluator_versions set status = 'retired', current_to = now()
where kind = 'rule' and status = 'active'
  and not exists (
      select from unnest(%(names)s::text[], %(versions)s::text[]) as given (name, version)
      where given.name = evaluator_versions.evaluator and given.version = evaluator_versions.version
  )
  -- Promoted from a day to come: it is not run yet.
  and not exists (
      select from evaluation.version_starts as starts
      where starts.evaluator_version_id = evaluator_versions.id and starts.starts_at > now()
  )
"""

# Rules of a warehouse that has no steps yet keep the periods that their versions state.
RECORD_VERSIONS = """
insert into evaluation.version_starts (evaluator, starts_at, evaluator_version_id, cause)
select evaluator, current_from, evaluator_version_id, 'recorded'
from evaluation.version_periods
where kind = 'rule' and evaluator not in (select evaluator from evaluation.version_starts)
"""

# A shipped rule speaks for calls from now on; the calls before keep the line they had. Only the very first
# set speaks for all of history. A rule that is gone ends with null.
START_VERSIONS = """
insert into evaluation.version_starts (evaluator, starts_at, evaluator_version_id, cause)
select changed.evaluator, case when not %(is_first)s then now() end, changed.id, 'shipped'
from (
    select evaluator, id from evaluation.evaluator_versions
    where kind = 'rule'
        and (evaluator, version) in (select * from unnest(%(names)s::text[], %(versions)s::text[]))
    union all
    select distinct evaluator, null::integer from evaluation.version_starts
    where evaluator in (select evaluator from evaluation.evaluator_versions where kind = 'rule')
        and evaluator <> all (%(names)s::text[])
) as changed
where changed.id is distinct from (
    select starts.evaluator_version_id from evaluation.version_starts as starts
    where starts.evaluator = changed.evaluator and (starts.starts_at is null or starts.starts_at <= now())
    order by starts.starts_at desc nulls last
    limit 1
)
on conflict (evaluator, starts_at) do update
set evaluator_version_id = excluded.evaluator_version_id, cause = excluded.cause
"""

ADD_MEMBERS = """
insert into evaluation.rule_set_members (rule_set_version, evaluator_version_id)
select %(id)s, id from evaluation.evaluator_versions
where (evaluator, version) in (select * from unnest(%(names)s::text[], %(versions)s::text[]))
on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A registered set: its version (`rule_results.rule_set_version`), its rules by evaluator version id,
    and the evaluator version ids of every set ever registered, by set version."""

    version: int
    rules: dict[int, Rule]
    members_of: dict[int, frozenset[int]]

    def changed_since(self, version: int | None) -> tuple[Rule, ...]:
        """The rules that a result of set `version` does not hold; all of them if there is no such result."""
        members = self.members_of.get(version, frozenset()) if version is not None else frozenset[int]()
        return tuple(rule for key, rule in self.rules.items() if key not in members)


def register_rule_set(connection: Connection[TupleRow], rules: Sequence[Rule]) -> RuleSet:
    """Record the rules' versions and make their set the current one; the same rules again change nothing.

    A new set ends the previous one (`current_to`), one that was current before becomes so again. Versions
    that changed are current for calls from now on (`evaluation.version_starts`); earlier calls keep their
    line. Raises ValueError for rule names that are not plain identifiers or not unique.
    """
    _check_names(rules)
    digest = rule_set_hash(rules)
    with connection.transaction():
        known = _known_sets(connection)
    if digest not in known or not known[digest].is_current:
        with writing(connection, relation="evaluation.rule_sets"):
            _make_current(connection, rules, digest=digest)
            known = _known_sets(connection)
    with connection.transaction():
        ids = _version_ids(connection, rules)
    return RuleSet(
        version=known[digest].id,
        rules={ids[rule.name, version_text(rule)]: rule for rule in rules},
        members_of={each.id: each.members for each in known.values()},
    )


def version_text(rule: Rule) -> str:
    """`evaluator_versions.version` of a rule: its semver and, after a plus, the hash of code and config."""
    return f"{rule.version}+{rule_hash(rule)}"


@dataclass(frozen=True, slots=True)
class _KnownSet:
    id: int
    is_current: bool
    members: frozenset[int]


def _known_sets(connection: Connection[TupleRow]) -> dict[str, _KnownSet]:
    rows = connection.execute(KNOWN_SETS).fetchall()
    return {digest: _KnownSet(key, is_current, frozenset(ids)) for digest, key, is_current, ids in rows}


def _make_current(connection: Connection[TupleRow], rules: Sequence[Rule], *, digest: str) -> None:
    given = {
        "names": [rule.name for rule in rules],
        "versions": [version_text(rule) for rule in rules],
        "severities": [rule.severity for rule in rules],
        "descriptions": [rule.description for rule in rules],
    }
    is_first = connection.execute("select from evaluation.rule_sets limit 1").fetchone() is None
    connection.execute(RECORD_VERSIONS)
    connection.execute(ADD_VERSIONS, given)
    connection.execute(RETIRE_VERSIONS, given)
    connection.execute(START_VERSIONS, {**given, "is_first": is_first})
    connection.execute(
        "update evaluation.rule_sets set current_to = now() where current_to is null and hash <> %s",
        (digest,),
    )
    row = connection.execute(
        "insert into evaluation.rule_sets (hash) values (%s)"
        " on conflict (hash) do update set current_from = now(), current_to = null"
        " where rule_sets.current_to is not null returning id",
        (digest,),
    ).fetchone()
    if row is not None:
        connection.execute(ADD_MEMBERS, {**given, "id": row[0]})


def _version_ids(connection: Connection[TupleRow], rules: Sequence[Rule]) -> dict[tuple[str, str], int]:
    rows = connection.execute(
        "select evaluator, version, id from evaluation.evaluator_versions where evaluator = any(%s)",
        ([rule.name for rule in rules],),
    ).fetchall()
    return {(name, version): key for name, version, key in rows}


def _check_names(rules: Sequence[Rule]) -> None:
    names = [rule.name for rule in rules]
    bad = [name for name in names if not RULE_NAME.fullmatch(name)]
    if bad or len(set(names)) != len(names):
        raise ValueError(f"rule names must be unique lower-case identifiers, got {bad or names}")
