"""Prompts and grades for the generated calls, and their strata by the definition in words."""

from collections import defaultdict
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from tests.dbt_project.comparing import Score
from tests.dbt_project.seed import MIDDLE_DAY

Row = dict[str, Any]

TEMPLATES = """
insert into evaluation.prompt_templates (template_id, origin, template, miner, first_seen)
select md5(n::text)::uuid, 'mined', 'template ' || n, '1.0.0', %(first)s::timestamp at time zone 'UTC'
from generate_series(0, 4) as n
"""
# Five templates and forty prompts; the first model's are code alone, so that its mix is another. One call in
# eight waits.
ASSIGNMENTS = """
insert into evaluation.prompt_assignments (
    started_at, call_id, template_id, miner, reader, prompt_hash, n_characters, prompt_class, language
)
select
    started_at, call_id, md5((get_byte(content_hash, 7) %% 5)::text)::uuid, '1.0.0', '1.0.0',
    prompt, 10 + 40 * prompt,
    case prompt %% 3 when 0 then 'code' when 1 then 'question' else 'other' end,
    case prompt %% 2 when 0 then 'en' else 'ko' end
from raw.llm_calls
cross join lateral (
    select case
        when requested_model = 'model-0' then 3 * (get_byte(content_hash, 7) %% 13)
        else get_byte(content_hash, 7) %% 40
    end as prompt
) as prompts
where get_byte(content_hash, 8) >= 32
"""
GRADES = """
with versions as (
    insert into evaluation.evaluator_versions (evaluator, version, kind, status, current_from)
    values ('tone', '1.0.0+a', 'judge', 'active', '2026-10-30')
    returning id
)
insert into evaluation.judgements (
    started_at, call_id, evaluator_version_id, value, judge_model, inclusion_probability, content_hash, policy
)
select
    started_at, call_id, versions.id, 1 + h %% 5, 'm', case h %% 4 when 0 then 1 else 0.5 end,
    decode(md5((h %% 200)::text), 'hex'), 'half'
from raw.llm_calls
cross join versions
cross join lateral (select get_byte(content_hash, 10) * 256 + get_byte(content_hash, 11) as h) as hashed
where h %% 3 = 0
"""


def seed_prompts(connection: psycopg.Connection[TupleRow]) -> None:
    """A template and a reading for most calls."""
    with connection.transaction():
        connection.execute(TEMPLATES, {"first": MIDDLE_DAY})
        connection.execute(ASSIGNMENTS, {})


def seed_grades(connection: psycopg.Connection[TupleRow]) -> None:
    """A judge's grade for one call in three, of which some are sampled at one half."""
    with connection.transaction():
        connection.execute(GRADES, {})


def band(n_characters: int | None) -> str:
    """The band of a length, from the definition in words."""
    if n_characters is None:
        return "(unknown)"
    names = {100: "0-99", 400: "100-399", 1600: "400-1599", 6400: "1600-6399"}
    return next((name for limit, name in names.items() if n_characters < limit), "6400+")


def stratum(call: Row) -> tuple[str, ...]:
    return call["project"], call["prompt_class"], call["language"], band(call["n_characters"])


def scores_of_rules(calls: list[Row], *, with_rule_set: bool) -> dict[object, list[Score]]:
    """By rule set, or all together with the rule set in the stratum."""
    found: defaultdict[object, list[Score]] = defaultdict(list)
    for call in calls:
        if call["is_failed"] is not None:
            version = call["rule_set_version"]
            where = (*stratum(call), version) if with_rule_set else stratum(call)
            group = None if with_rule_set else str(version)
            found[group].append(Score(call["model"], where, call["call_id"], float(call["is_failed"])))
    return dict(found)
