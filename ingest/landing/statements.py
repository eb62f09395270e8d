"""The SQL of a landing."""

from typing import LiteralString, cast

from ingest.landing.columns import BODY_COLUMNS, CALL_COLUMNS, STAGE

Statement = LiteralString

_columns = ", ".join(name for name, _ in STAGE)
_call_columns = ", ".join(CALL_COLUMNS)
_body_columns = ", ".join(BODY_COLUMNS)
_changing = [name for name in CALL_COLUMNS if name not in ("call_id", "started_at")]
_body_changing = [name for name in BODY_COLUMNS if name not in ("call_id", "started_at")]


def _sql(text: str) -> LiteralString:
    """Our own constants, put together from the column lists above: nothing of a caller's is in them."""
    return cast(LiteralString, text)


# Text and bodies stay in the row up to the page, uncompressed: the stage is read once, right away.
CREATE = _sql(f"""
create temporary table if not exists lqo_stage ({", ".join(f"{name} {kind}" for name, kind in STAGE)})
with (toast_tuple_target = 8160) on commit delete rows
""")
COPY = _sql(f"copy lqo_stage ({_columns}) from stdin (format binary)")

COPY_CALLS = _sql(f"copy raw.llm_calls ({_call_columns}) from stdin (format binary)")
COPY_BODIES = _sql(f"copy raw.llm_bodies ({_body_columns}) from stdin (format binary)")
MARK = "insert into raw.dirty_hours (hour, stage) select hour, 'calls' from unnest(%b::timestamptz[]) as hour"

EMPTY = "truncate lqo_stage"
DROP = "delete from lqo_stage where ordinal = any (%s)"

# The stage is read in its physical order, which is the order of the key (see prepare).
INSERT = _sql(f"""
with landed as (
    insert into raw.llm_calls ({_call_columns})
    select {_call_columns} from lqo_stage
    on conflict do nothing
    returning started_at, call_id
),
bodies as (
    insert into raw.llm_bodies ({_body_columns})
    select {_body_columns} from lqo_stage inner join landed using (started_at, call_id)
    on conflict do nothing
),
hours as (
    insert into raw.dirty_hours (hour, stage)
    select distinct date_trunc('hour', started_at, 'UTC'), 'calls' from landed
)
select count(*) from landed
""")

# LATERAL with LIMIT keeps the planner on one index probe a row, whatever it believes of the stage.
DIFFERENT = """
select stage.ordinal, stage.started_at, stage.call_id, known.status = 'interrupted'
from lqo_stage as stage
cross join lateral (
    select calls.status, calls.content_hash
    from raw.llm_calls as calls
    where calls.started_at = stage.started_at and calls.call_id = stage.call_id
    limit 1
) as known
where stage.status <> 'interrupted'
    and (known.status = 'interrupted' or known.content_hash <> stage.content_hash)
order by stage.started_at, stage.call_id
"""

REPLACE = _sql(f"""
with replaced as (
    update raw.llm_calls as calls
    set {", ".join(f"{name} = stage.{name}" for name in _changing)}, landed_at = now()
    from lqo_stage as stage
    where stage.ordinal = %(ordinal)s and calls.status = 'interrupted'
        and calls.started_at = %(started_at)s and calls.call_id = %(call_id)s
    returning calls.started_at, calls.call_id
),
bodies as (
    update raw.llm_bodies as bodies
    set {", ".join(f"{name} = stage.{name}" for name in _body_changing)}
    from lqo_stage as stage
    where stage.ordinal = %(ordinal)s and exists (select from replaced)
        and bodies.started_at = %(started_at)s and bodies.call_id = %(call_id)s
),
ids as (
    update raw.external_ids as ids
    set content_hash = stage.content_hash
    from lqo_stage as stage
    where stage.ordinal = %(ordinal)s and exists (select from replaced)
        and ids.source = stage.source and ids.external_id = stage.external_id
),
hours as (
    insert into raw.dirty_hours (hour, stage)
    select date_trunc('hour', started_at, 'UTC'), 'calls' from replaced
)
select count(*) from replaced
""")

INSERT_IDS = """
insert into raw.external_ids (source, external_id, call_id, started_at, content_hash)
select source, external_id, call_id, started_at, content_hash
from lqo_stage
where external_id is not null
order by source, external_id
on conflict do nothing
"""

ENTER_IDS = """
insert into raw.external_ids (source, external_id, call_id, started_at, content_hash)
select source, external_id, call_id, ingest.uuid7_time(call_id), content_hash
from unnest(%b::text[], %b::text[], %b::uuid[], %b::bytea[])
    as given (source, external_id, call_id, content_hash)
order by source, external_id
on conflict do nothing
"""

ANY_CALL = """
select 1
from unnest(%b::uuid[]) as given (call_id)
cross join lateral (
    select 1
    from raw.llm_calls as calls
    where calls.started_at = ingest.uuid7_time(given.call_id) and calls.call_id = given.call_id
    limit 1
) as known
limit 1
"""

ANY_EXTERNAL = """
select 1
from unnest(%b::text[]) as given (external_id)
cross join lateral (
    select 1
    from raw.external_ids as ids
    where ids.source = 'import' and ids.external_id = given.external_id
    limit 1
) as known
limit 1
"""

KNOWN_IDS = """
select stage.ordinal, (known.started_at, known.content_hash) = (stage.started_at, stage.content_hash)
from lqo_stage as stage
cross join lateral (
    select ids.call_id, ids.started_at, ids.content_hash
    from raw.external_ids as ids
    where ids.source = stage.source and ids.external_id = stage.external_id
    limit 1
) as known
where stage.external_id is not null and known.call_id <> stage.call_id
"""

FORGET_IDS = """
delete from raw.external_ids as ids
using lqo_stage as stage
where stage.ordinal = any (%s) and stage.external_id is not null
    and (ids.source, ids.external_id, ids.call_id, ids.content_hash)
    = (stage.source, stage.external_id, stage.call_id, stage.content_hash)
"""

SAME_ID_OTHER_TIME = """
select given.ordinal
from unnest(%s::integer[], %s::uuid[]) as given (ordinal, call_id)
cross join lateral (
    select 1
    from raw.llm_calls as calls
    where calls.started_at = ingest.uuid7_time(given.call_id) and calls.call_id = given.call_id
    limit 1
) as known
"""

SAME_CALL_OTHER_ID = """
select stage.ordinal
from lqo_stage as stage
cross join lateral (
    select 1
    from raw.external_ids as ids
    where ids.source = stage.source and ids.external_id = stage.call_id::text
    limit 1
) as known
where stage.external_id is null and stage.source = 'import'
"""
