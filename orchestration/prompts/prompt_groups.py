"""Templates that ask for about the same, by vectors of meaning: for reading, nothing is written."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.meaning.embedding import Embedder, load_embedder
from evaluators.meaning.groups import ALIKE, group

# Oldest first: a group is led by its first template, so it stays what it is when later templates come.
TEMPLATES: LiteralString = """
select template_id, template, n_calls, n_scored, n_failed
from (
    select
        template_id,
        sum(n_calls)::bigint as n_calls,
        sum(n_scored)::bigint as n_scored,
        sum(n_failed)::bigint as n_failed
    from marts.prompt_patterns_daily
    where day >= %(first)s and day <= %(last)s
    group by template_id
    order by n_calls desc, template_id
    limit %(most)s
) as commonest
inner join evaluation.prompt_templates using (template_id)
where origin = 'mined'
order by first_seen, template_id
"""


@dataclass(frozen=True, slots=True)
class PromptGroup:
    """Templates that mean about the same; `template` is the oldest of them, the counts are of all."""

    template_id: UUID
    template: str
    n_templates: int
    n_calls: int
    n_scored: int
    n_failed: int


def group_prompts(
    connection: Connection[TupleRow],
    *,
    first: date,
    last: date,
    most: int = 200,
    alike: float = ALIKE,
    embedder: Callable[[], Embedder] = load_embedder,
) -> list[PromptGroup]:
    """The `most` commonest templates of the days (both included) in groups, the largest first.

    Raises MissingModelError without the extra `meaning`.
    """
    given = {"first": first, "last": last, "most": most}
    with connection.transaction():
        rows = connection.execute(TEMPLATES, given).fetchall()
    vectors = embedder().questions([text for _, text, *_ in rows])
    grouping = group(vectors, alike=alike)
    groups = [
        _summed([row for row, leader in zip(rows, grouping.leader, strict=True) if leader == number])
        for number in range(len(grouping.found))
    ]
    return sorted(groups, key=lambda each: (-each.n_calls, each.template_id))


def _summed(rows: list[TupleRow]) -> PromptGroup:
    template, text, *_ = rows[0]
    n_calls, n_scored, n_failed = (sum(row[column] for row in rows) for column in (2, 3, 4))
    return PromptGroup(template, text, len(rows), n_calls, n_scored, n_failed)
