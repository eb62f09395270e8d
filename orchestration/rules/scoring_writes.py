"""SQL that writes rule results: a chunk is staged, then lands at once."""

from typing import LiteralString

# The stage has no statistics: taken for empty, it was joined in a nested loop, quadratic in the chunk.
WRITE_AT_ONCE: LiteralString = """
set local enable_sort = on;
set local enable_hashjoin = on;
set local enable_nestloop = off
"""

MAKE_STAGE: LiteralString = """
create temp table if not exists scored_calls (
    started_at timestamptz not null,
    call_id uuid not null,
    failed text[] not null,
    unscored jsonb not null,
    evidence jsonb not null,
    attempts smallint not null,
    is_provisional boolean not null,
    is_retriable boolean not null
) on commit delete rows
"""

_INSERT: LiteralString = """
insert into evaluation.rule_results (
    started_at, call_id, rule_set_version, failed, unscored, evidence, attempts, is_provisional, is_retriable
)
"""

_UNLESS_SETTLED: LiteralString = """
on conflict (started_at, call_id, rule_set_version) do update
set failed = excluded.failed,
    unscored = excluded.unscored,
    evidence = excluded.evidence,
    attempts = excluded.attempts,
    is_provisional = excluded.is_provisional,
    is_retriable = excluded.is_retriable,
    scored_at = now()
where rule_results.is_provisional or rule_results.is_retriable
"""

WRITE_RESULTS: LiteralString = f"""
{_INSERT}
select
    started_at, call_id, %(rule_set)s, failed, unscored, evidence, attempts, is_provisional, is_retriable
from scored_calls
order by started_at, call_id
{_UNLESS_SETTLED}
"""

# The verdicts of the rules that did not change are taken from the previous result where it stands. Most calls
# fail nothing, before and after: those cost no more than a copy. What may pass and was tried enough before
# is not tried again.
WRITE_CARRIED: LiteralString = f"""
{_INSERT}
select
    staged.started_at,
    staged.call_id,
    %(rule_set)s,
    case
        when previous.failed = '{{}}' then staged.failed
        when staged.failed = '{{}}' and not previous.failed && %(stale)s::text[] then previous.failed
        else array(
            select name from (
                select name from unnest(previous.failed) as known (name)
                where name <> all (%(stale)s::text[])
                union
                select name from unnest(staged.failed) as found (name)
            ) as names
            order by name collate "C"
        )
    end,
    case
        when previous.unscored = '{{}}' then staged.unscored
        else (previous.unscored - %(stale)s::text[]) || staged.unscored
    end,
    case
        when previous.evidence = '{{}}' then staged.evidence
        else (previous.evidence - %(stale)s::text[]) || staged.evidence
    end,
    staged.attempts,
    staged.is_provisional,
    staged.is_retriable
from scored_calls as staged
inner join evaluation.rule_results as previous
    on previous.started_at = staged.started_at
    and previous.call_id = staged.call_id
    and previous.rule_set_version = %(previous)s
    and previous.started_at >= %(start)s
    and previous.started_at <= %(last)s
order by staged.started_at, staged.call_id
{_UNLESS_SETTLED}
"""
