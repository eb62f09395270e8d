"""SQL of prompt templates. Constants bind every relation to the day, so that only its month is read."""

from typing import LiteralString

# Work grows with the calls that lack a template of this miner, not with the day.
NEW_CALLS: LiteralString = """
select
    calls.started_at,
    calls.call_id,
    calls.prompt_name,
    calls.project,
    left(prompts.text, %(most_characters)s),
    length(prompts.text),
    -- Of the whole text: documents that begin alike are not the same prompt.
    ('x' || left(md5(prompts.text), 16))::bit(64)::bigint
from raw.llm_calls as calls
left join raw.llm_bodies as bodies
    on bodies.started_at = calls.started_at
    and bodies.call_id = calls.call_id
    and bodies.started_at >= %(start)s
    and bodies.started_at < %(end)s
cross join lateral (
    -- What is embedded is no prompt.
    select case when calls.endpoint not like '%%embeddings%%' then bodies.input_text end as text
) as prompts
where calls.started_at >= %(start)s
  and calls.started_at < %(end)s
  and calls.purpose in ('product', 'demo')
  and not exists (
      select from evaluation.prompt_assignments as assignments
      where assignments.started_at = calls.started_at
        and assignments.call_id = calls.call_id
        and assignments.miner = %(miner)s
        and assignments.reader = %(reader)s
        and assignments.started_at >= %(start)s
        and assignments.started_at < %(end)s
  )
"""

MAKE_STAGE: LiteralString = """
create temp table if not exists staged_prompts (
    started_at timestamptz not null,
    call_id uuid not null,
    template_id uuid,
    prompt_name text,
    project text,
    form_hash bytea,
    form text,
    n_characters integer,
    prompt_hash bigint,
    prompt_class text,
    language text
) on commit delete rows
"""

STAGE: LiteralString = """
copy staged_prompts (
    started_at, call_id, template_id, prompt_name, project, form_hash, form, n_characters, prompt_hash,
    prompt_class, language
) from stdin
"""

WRITE_NAMED: LiteralString = """
insert into evaluation.prompt_templates (template_id, origin, template, project)
select distinct on (template_id) template_id, 'caller', prompt_name, project
from staged_prompts
where prompt_name is not null
on conflict (template_id) do nothing
"""

# The order in which forms make templates must not be that of their arrival: the commonest first.
NEW_FORMS: LiteralString = """
select staged.form_hash, staged.form
from staged_prompts as staged
where staged.form is not null
  and not exists (
      select from evaluation.prompt_forms as forms
      where forms.form_hash = staged.form_hash and forms.miner = %(miner)s
  )
group by staged.form_hash, staged.form
order by count(*) desc, staged.form collate "C"
"""

# A limit, since a hostile or a hot pair of words may stand in very many templates; in order, to be the same
# on every run.
CANDIDATES: LiteralString = """
select wanted.number, known.template_id, known.template
from (
    select number, array_agg(key) as keys
    from unnest(%(numbers)s::integer[], %(keys)s::bigint[]) as flat (number, key)
    group by number
) as wanted
cross join lateral (
    select templates.template_id, templates.template
    from evaluation.prompt_templates as templates
    where templates.bands && wanted.keys
      and templates.origin = 'mined'
      and templates.miner = %(miner)s
    order by templates.template_id
    limit 500
) as known
order by wanted.number, known.template_id
"""

# An older miner may have made the same template: then it is found by this one's bands from now on.
WRITE_TEMPLATE: LiteralString = """
insert into evaluation.prompt_templates (template_id, origin, template, miner, bands)
values (%s, 'mined', %s, %s, %s)
on conflict (template_id) do update
set miner = excluded.miner, bands = excluded.bands
where prompt_templates.miner <> excluded.miner
"""

WRITE_FORM: LiteralString = """
insert into evaluation.prompt_forms (form_hash, miner, template_id) values (%s, %s, %s)
"""

WRITE_ASSIGNMENTS: LiteralString = """
with written as (
    insert into evaluation.prompt_assignments (
        started_at, call_id, template_id, n_characters, prompt_hash, prompt_class, language, miner, reader
    )
    select
        staged.started_at,
        staged.call_id,
        coalesce(staged.template_id, forms.template_id),
        staged.n_characters,
        staged.prompt_hash,
        staged.prompt_class,
        staged.language,
        %(miner)s,
        %(reader)s
    from staged_prompts as staged
    left join evaluation.prompt_forms as forms
        on forms.form_hash = staged.form_hash
        and forms.miner = %(miner)s
    on conflict (started_at, call_id) do update
    set
        template_id = excluded.template_id,
        n_characters = excluded.n_characters,
        prompt_hash = excluded.prompt_hash,
        prompt_class = excluded.prompt_class,
        language = excluded.language,
        miner = excluded.miner,
        reader = excluded.reader
    where prompt_assignments.miner <> excluded.miner
      or prompt_assignments.reader is distinct from excluded.reader
    returning started_at, template_id
),

seen as (
    select template_id, min(started_at) as first_seen
    from written
    group by template_id
),

moved as (
    update evaluation.prompt_templates as templates
    set first_seen = seen.first_seen
    from seen
    where templates.template_id = seen.template_id
      and (templates.first_seen is null or templates.first_seen > seen.first_seen)
)

select count(*) from written
"""
