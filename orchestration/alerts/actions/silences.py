"""Silences: while one holds, messages of its alerts wait in the outbox; history and states go on."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from orchestration.alerts.actions import wording
from orchestration.alerts.actions.errors import ActionError
from orchestration.alerts.actions.known import ANY, check_group, check_rule
from orchestration.alerts.actions.record import LOCK, record
from orchestration.alerts.actions.wording import Author
from reports.api.alert_shapes import Silence

SEVERITIES = ("critical", "warning", "info")
MOST_LABELS = 20

_COLUMNS: LiteralString = """
select
    silence_id, rule, group_key, severity, owner, labels, starts_at, ends_at,
    case when ends_at <= now() then 'over' when starts_at > now() then 'to come' else 'active' end as state,
    reason, created_by, created_at
from alerting.silences
"""
_BEGINNING = re.compile(r"[0-9a-f-]{4,36}", re.ASCII)
_BEGINS: LiteralString = """
select silence_id from alerting.silences where silence_id::text like %s || '%%' order by ends_at desc limit 5
"""
LIST_SILENCES: LiteralString = (
    _COLUMNS + "where ends_at > now() - interval '30 days' order by ends_at desc, silence_id"
)
# The same wish again, as of a client that did not hear the answer, is the same silence.
_SAME: LiteralString = """
select silence_id, ends_at from alerting.silences
where rule = %(rule)s
    and group_key = %(group)s
    and severity is not distinct from %(severity)s
    and owner is not distinct from %(owner)s
    and labels = %(labels)s
    and reason = %(reason)s
    and created_by = %(by)s
    and ends_at > clock_timestamp()
    and case
        when %(starts_at)s::timestamptz is null then starts_at <= now()
        else starts_at = %(starts_at)s
    end
order by ends_at desc
limit 1
"""
_PUT: LiteralString = """
insert into alerting.silences
    (rule, group_key, severity, owner, labels, starts_at, ends_at, reason, created_by)
values (
    %(rule)s, %(group)s, %(severity)s, %(owner)s, %(labels)s, coalesce(%(starts_at)s, now()), %(ends_at)s,
    %(reason)s, %(by)s
)
returning silence_id
"""
_MOVE: LiteralString = "update alerting.silences set ends_at = %s where silence_id = %s"
# One that is to come loses its start: it would else be a silence to come, of no length.
_END: LiteralString = """
update alerting.silences set starts_at = least(starts_at, clock_timestamp()), ends_at = clock_timestamp()
where silence_id = %s and ends_at > clock_timestamp()
returning rule, group_key
"""


@dataclass(frozen=True, slots=True)
class Matcher:
    """Which alerts: all that is said must fit. `*` is every rule or group, None every severity or owner."""

    rule: str = ANY
    group: str = ANY
    severity: str | None = None
    owner: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    def checked(self) -> "Matcher":
        """The same without spaces around names. Raises ActionError."""
        if self.severity not in (None, *SEVERITIES):
            raise ActionError(f"severity: one of {', '.join(SEVERITIES)}, not {str(self.severity)[:80]!r}")
        if len(self.labels) > MOST_LABELS:
            raise ActionError(f"labels: at most {MOST_LABELS}, not {len(self.labels)}")
        return Matcher(
            rule=wording.words(self.rule, field="rule"),
            group=wording.words(self.group, field="group"),
            severity=self.severity,
            owner=None if self.owner is None else wording.words(self.owner, field="owner"),
            labels={
                wording.words(name, field="labels"): wording.words(value, field=f"labels.{name[:80]}")
                for name, value in self.labels.items()
            },
        )


def add_silence(
    connection: psycopg.Connection[TupleRow],
    matcher: Matcher,
    *,
    ends_at: datetime,
    reason: str,
    by: Author,
    rules: AbstractSet[str],
    starts_at: datetime | None = None,
    is_unseen: bool = False,
) -> Silence:
    """Hold back what these alerts say, from `starts_at` (aware; None: now) until `ends_at`.

    The same matcher, reason and author again move the end of the silence that is there. `rules` are the names
    that there are; `is_unseen` allows a group that has never alerted. Raises ActionError.
    """
    now, wanted = datetime.now(UTC), matcher.checked()
    reason, by = wording.words(reason, field="reason"), by.checked()
    ends_at = wording.to_come(ends_at, field="ends_at", now=now)
    if starts_at is not None and wording.to_come(starts_at, field="starts_at", now=now) >= ends_at:
        raise ActionError("ends_at: it must lie after starts_at")
    with connection.transaction():
        check_rule(connection, wanted.rule, rules=rules)
        if not is_unseen:
            check_group(connection, wanted.group, rule=wanted.rule)
        values = {
            "rule": wanted.rule,
            "group": wanted.group,
            "severity": wanted.severity,
            "owner": wanted.owner,
            "labels": Jsonb(dict(wanted.labels)),
            "starts_at": starts_at,
            "ends_at": ends_at,
            "reason": reason,
            "by": by.name,
        }
        connection.execute(LOCK)
        silence_id, is_change = _put(connection, values, ends_at=ends_at)
        if is_change:
            record(
                connection,
                "silenced",
                by=by,
                rule=wanted.rule,
                group=wanted.group,
                silence_id=silence_id,
                ends_at=ends_at,
                note=reason,
            )
        return _silence(connection, silence_id)


def find_silence(connection: psycopg.Connection[TupleRow], name: str) -> UUID:
    """The silence of an id, or of at least four letters of its beginning. Raises ActionError."""
    wanted = name.strip().lower()
    if not _BEGINNING.fullmatch(wanted):
        raise ActionError(f"silence: its id or the first letters of it, not {name[:80]!r}")
    found = [one for (one,) in connection.execute(_BEGINS, (wanted,))]
    if not found:
        raise ActionError(f"there is no silence {wanted}; `lqo alerts silences` lists them", kind="unknown")
    if len(found) > 1:
        raise ActionError(f"{wanted} is several silences: {', '.join(map(str, found))} …")
    return found[0]


def end_silence(connection: psycopg.Connection[TupleRow], silence_id: UUID, *, by: Author) -> bool:
    """End one now; False where it was over already. What it held back is sent. Raises ActionError."""
    by = by.checked()
    with connection.transaction():
        connection.execute(LOCK)
        ended = connection.execute(_END, (silence_id,)).fetchone()
        if ended is not None:
            record(connection, "unsilenced", by=by, rule=ended[0], group=ended[1], silence_id=silence_id)
            return True
        _silence(connection, silence_id)
    return False


def _put(
    connection: psycopg.Connection[TupleRow], values: Mapping[str, object], *, ends_at: datetime
) -> tuple[UUID, bool]:
    """The silence's id, and whether anything was written."""
    same = connection.execute(_SAME, values).fetchone()
    if same is None:
        made = connection.execute(_PUT, values).fetchone()
        assert made is not None
        return made[0], True
    if same[1] == ends_at:
        return same[0], False
    connection.execute(_MOVE, (ends_at, same[0]))
    return same[0], True


def _silence(connection: psycopg.Connection[TupleRow], silence_id: UUID) -> Silence:
    with connection.cursor(row_factory=class_row(Silence)) as cursor:
        found = cursor.execute(_COLUMNS + "where silence_id = %s", (silence_id,)).fetchone()
    if found is None:
        raise ActionError(f"there is no silence {silence_id}", kind="unknown")
    return found
