"""Which rules and groups there are: a silence for a misspelt name would silence nothing."""

from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final, LiteralString

import psycopg
from psycopg.rows import TupleRow

from orchestration.alerts.actions.errors import ActionError
from orchestration.alerts.actions.wording import nearest

ANY: Final = "*"
BUILT_IN: Final = frozenset({"alert_rules", "asset_check", "evaluator_change", "run_failure"})
"""Rules without a file: errors of rules, of checks and runs, and changes of evaluators."""

# Rules that have alerted are known also after their file has gone.
_RULES: LiteralString = """
select rule from alerting.states
union
select rule from alerting.events where happened_at > now() - interval '30 days' and transition <> 'report'
"""
_GROUPS: LiteralString = """
select group_key from alerting.states where %(rule)s in ('*', rule)
union
select group_key from alerting.events
where %(rule)s in ('*', rule) and happened_at > now() - interval '30 days' and transition <> 'report'
"""


def defined_rules(folder: Path | None) -> frozenset[str]:
    """The names of all rules, shipped ones and those of `folder`, also of those that are off."""
    from orchestration.alerts.definition.load import load_rule_set

    return BUILT_IN | {one.rule.name for one in load_rule_set(folder).rules}


def check_rule(connection: psycopg.Connection[TupleRow], rule: str, *, rules: AbstractSet[str]) -> None:
    """Raise ActionError for a rule that nobody has heard of; the message names the nearest."""
    known = {*rules, *(found for (found,) in connection.execute(_RULES))}
    if rule != ANY and rule not in known:
        raise ActionError(f"there is no alert rule {rule[:80]!r}: {nearest(rule, known)}", kind="unknown")


def check_group(connection: psycopg.Connection[TupleRow], group: str, *, rule: str) -> None:
    """Raise ActionError for a group that has never alerted; the message names the nearest."""
    known = {found for (found,) in connection.execute(_GROUPS, {"rule": rule})}
    if group != ANY and group not in known:
        of = "no rule has ever" if rule == ANY else f"{rule} has never"
        raise ActionError(
            f"{of} alerted for {group[:80]!r}: {nearest(group, known)}"
            " (or say that it has not alerted yet: --unseen, or `unseen` in the API)",
            kind="unknown",
        )
