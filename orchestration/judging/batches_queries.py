"""SQL of judging in batches. A request's primary key is what makes it impossible to ask twice."""

from typing import LiteralString

# A verdict that another run has kept meanwhile is seen by this statement's own snapshot, and not asked for
# again. One that has expired from the cache, or that never came, may be asked for under the same key.
WANT: LiteralString = """
with wanted as (
    select *
    from unnest(
        %(started_at)s::timestamptz[], %(call_id)s::uuid[], %(content_hash)s::bytea[], %(n_bytes)s::integer[],
        %(reserved_usd)s::numeric[], %(tries)s::smallint[]
    ) as given (started_at, call_id, content_hash, n_bytes, reserved_usd, tries)
)
insert into evaluation.judge_requests as requests (
    evaluator_version_id, content_hash, started_at, call_id, n_bytes, policy, asked_on, backfill,
    reserved_usd, attempts
)
select distinct on (content_hash)
    %(version)s, content_hash, started_at, call_id, n_bytes, %(policy)s, %(asked_on)s, %(backfill)s,
    reserved_usd, tries
from wanted
where not exists (
    select from evaluation.verdicts
    where verdicts.content_hash = wanted.content_hash
        and verdicts.evaluator_version_id = %(version)s
        and verdicts.judge_model = %(model)s
        and (%(newer_than)s::timestamptz is null or verdicts.judged_at > %(newer_than)s)
)
order by content_hash, started_at, call_id
on conflict (evaluator_version_id, content_hash) do update
set state = 'waiting', batch_id = null, output = null, reason = null, detail = null,
    attempts = excluded.attempts, started_at = excluded.started_at, call_id = excluded.call_id,
    n_bytes = excluded.n_bytes, policy = excluded.policy, asked_on = excluded.asked_on,
    backfill = excluded.backfill, reserved_usd = excluded.reserved_usd, not_before = now(), changed_at = now()
where requests.state not in ('waiting', 'sent')
returning content_hash
"""

# Whoever's content is being asked about waits for that answer; the others have theirs.
WAIT: LiteralString = """
insert into evaluation.judge_request_calls (
    started_at, call_id, evaluator_version_id, content_hash, inclusion_probability
)
select given.started_at, given.call_id, %(version)s, given.content_hash, given.inclusion_probability
from unnest(
    %(started_at)s::timestamptz[], %(call_id)s::uuid[], %(content_hash)s::bytea[],
    %(inclusion_probability)s::double precision[]
) as given (started_at, call_id, content_hash, inclusion_probability)
inner join evaluation.judge_requests as requests
    on requests.evaluator_version_id = %(version)s
    and requests.content_hash = given.content_hash
    and requests.state in ('waiting', 'sent')
on conflict (started_at, call_id, evaluator_version_id) do update
set content_hash = excluded.content_hash, inclusion_probability = excluded.inclusion_probability
"""

# The first alone goes even where it is larger than a batch: the provider's word on it is a reason.
CUT: LiteralString = """
with waiting as (
    select
        content_hash,
        n_bytes,
        sum(n_bytes) over (order by started_at, call_id) as total,
        row_number() over (order by started_at, call_id) as place
    from (
        select content_hash, n_bytes, started_at, call_id
        from evaluation.judge_requests
        where evaluator_version_id = %(version)s and state = 'waiting' and not_before <= %(now)s
        order by started_at, call_id
        limit %(most_requests)s
    ) as first
),
fitting as (
    select * from waiting where total <= %(most_bytes)s or place = 1
),
batch as (
    insert into evaluation.judge_batches (
        id, evaluator_version_id, provider, judge_model, base_url, secret_ref, n_requests, n_bytes
    )
    select
        %(id)s, %(version)s, %(provider)s, %(model)s, %(base_url)s, %(secret_ref)s, count(*), sum(n_bytes)
    from fitting
    having count(*) > 0
    returning id
)
update evaluation.judge_requests as requests
set state = 'sent', batch_id = batch.id, changed_at = now()
from fitting, batch
where requests.evaluator_version_id = %(version)s and requests.content_hash = fitting.content_hash
"""

BATCH_COLUMNS: LiteralString = """
    id, evaluator_version_id, provider, judge_model, base_url, secret_ref, state, n_requests, input_file_id,
    create_tried_at, provider_batch_id, provider_status, provider_created_at, submitted_at, output_file_id,
    error_file_id, n_reads, n_problems, problem, prepared_at
"""

OPEN_BATCHES: LiteralString = f"""
select {BATCH_COLUMNS} from evaluation.judge_batches
where state in ('prepared', 'uploaded', 'submitted') and next_look_at <= %(now)s
order by next_look_at, prepared_at, id
"""

BATCH: LiteralString = f"select {BATCH_COLUMNS} from evaluation.judge_batches where id = %(id)s"

# The judges whose requests wait: one for each of its versions that has some.
WAITING_VERSIONS: LiteralString = """
select distinct evaluator_version_id
from evaluation.judge_requests
where state = 'waiting' and not_before <= %(now)s
order by 1
"""

_REQUEST_COLUMNS: LiteralString = """
    content_hash, started_at, call_id, attempts, output, policy, asked_on, backfill, reserved_usd
"""

SENT: LiteralString = f"""
select {_REQUEST_COLUMNS} from evaluation.judge_requests
where batch_id = %(id)s and state = 'sent'
order by started_at, call_id
"""

# Only what is still out with this batch is settled by it: a line that comes twice changes nothing.
OUT_OF_THESE: LiteralString = f"""
select {_REQUEST_COLUMNS} from evaluation.judge_requests
where evaluator_version_id = %(version)s
    and content_hash = any(%(hashes)s)
    and batch_id = %(id)s
    and state = 'sent'
order by started_at, call_id
"""

OF_THESE: LiteralString = f"""
select {_REQUEST_COLUMNS} from evaluation.judge_requests
where evaluator_version_id = %(version)s and content_hash = any(%(hashes)s)
"""

WAITING_CALLS: LiteralString = """
select content_hash, started_at, call_id, inclusion_probability
from evaluation.judge_request_calls
where evaluator_version_id = %(version)s and content_hash = any(%(hashes)s)
order by started_at, call_id
"""

TEXTS: LiteralString = """
select
    calls.started_at,
    calls.call_id,
    calls.requested_model,
    calls.served_model,
    calls.body_state,
    bodies.request,
    bodies.input_text,
    bodies.output_text
from unnest(%(times)s::timestamptz[], %(ids)s::uuid[]) as keys (started_at, call_id)
inner join raw.llm_calls as calls
    on calls.started_at = keys.started_at
    and calls.call_id = keys.call_id
    and calls.started_at >= %(first)s
    and calls.started_at <= %(last)s
left join raw.llm_bodies as bodies
    on bodies.started_at = keys.started_at
    and bodies.call_id = keys.call_id
    and bodies.started_at >= %(first)s
    and bodies.started_at <= %(last)s
"""

# Their calls are found anew, with what they say now, by the next look for what has no judgement.
FORGET: LiteralString = """
with gone as (
    delete from evaluation.judge_requests
    where evaluator_version_id = %(version)s and content_hash = any(%(hashes)s)
    returning evaluator_version_id, content_hash
)
delete from evaluation.judge_request_calls as calls
using gone
where calls.evaluator_version_id = gone.evaluator_version_id and calls.content_hash = gone.content_hash
"""

SETTLE: LiteralString = """
update evaluation.judge_requests as requests
set state = settled.state,
    attempts = requests.attempts + settled.n_tries,
    output = coalesce(settled.output, requests.output),
    reason = settled.reason,
    detail = settled.detail,
    batch_id = case when settled.state = 'waiting' then null else requests.batch_id end,
    not_before = coalesce(settled.not_before, requests.not_before),
    changed_at = now()
from unnest(
    %(content_hash)s::bytea[], %(state)s::text[], %(n_tries)s::smallint[], %(output)s::text[],
    %(reason)s::text[], %(detail)s::text[], %(not_before)s::timestamptz[]
) as settled (content_hash, state, n_tries, output, reason, detail, not_before)
where requests.evaluator_version_id = %(version)s and requests.content_hash = settled.content_hash
"""

NO_LONGER_WAIT: LiteralString = """
delete from evaluation.judge_request_calls
where evaluator_version_id = %(version)s and content_hash = any(%(hashes)s)
"""

UPLOADED: LiteralString = """
update evaluation.judge_batches
set state = 'uploaded', input_file_id = %(file_id)s, problem = null, n_problems = 0
where id = %(id)s
"""

CREATING: LiteralString = """
update evaluation.judge_batches set create_tried_at = %(at)s where id = %(id)s
"""

SUBMITTED: LiteralString = """
update evaluation.judge_batches
set state = 'submitted', provider_batch_id = %(provider_batch_id)s, submitted_at = %(now)s,
    provider_created_at = %(created_at)s, problem = null, n_problems = 0
where id = %(id)s
"""

SEEN: LiteralString = """
update evaluation.judge_batches
set provider_status = %(status)s, provider_created_at = %(created_at)s, expires_at = %(expires_at)s,
    output_file_id = %(output_file_id)s, error_file_id = %(error_file_id)s,
    ended_at = case when %(has_ended)s then coalesce(ended_at, %(now)s) end,
    next_look_at = %(next)s, problem = null, n_problems = 0
where id = %(id)s
"""

TROUBLE: LiteralString = """
update evaluation.judge_batches
set problem = %(problem)s, n_problems = n_problems + 1, next_look_at = %(next)s
where id = %(id)s
"""

READ_AGAIN: LiteralString = """
update evaluation.judge_batches
set n_reads = n_reads + 1, problem = %(problem)s, next_look_at = %(next)s
where id = %(id)s
"""

END: LiteralString = """
update evaluation.judge_batches
set state = %(state)s, problem = %(problem)s, collected_at = %(now)s
where id = %(id)s
"""

COUNTED: LiteralString = """
update evaluation.judge_batches
set n_answered = n_answered + %(n_answered)s, n_failed = n_failed + %(n_failed)s
where id = %(id)s
"""

IGNORED: LiteralString = """
update evaluation.judge_batches set n_ignored = %(n_ignored)s where id = %(id)s
"""

CANCELLED_AGAIN: LiteralString = """
update evaluation.judgements
set is_retriable = true
where started_at >= %(start)s
    and started_at < %(end)s
    and evaluator_version_id = %(version)s
    and unscored_reason = 'cancelled'
"""

DROP_WAITING: LiteralString = f"""
update evaluation.judge_requests
set state = 'given_up', reason = 'version_retired', changed_at = now()
where evaluator_version_id = %(version)s and state = 'waiting'
returning {_REQUEST_COLUMNS}
"""

# The verdicts stand elsewhere; what a batch was stays.
TIDY: LiteralString = """
delete from evaluation.judge_requests
where state not in ('waiting', 'sent') and changed_at < %(before)s
"""

JUDGE_OF: LiteralString = """
select
    judges.judge, evaluators.evaluator, versions.rubric, versions.provider, versions.model, judges.base_url,
    judges.secret_ref, versions.parameters, judges.policy, judges.cache_days, 'batch' as processing,
    versions.evaluator_version_id, evaluators.version
from evaluation.judge_versions as versions
inner join evaluation.evaluator_versions as evaluators on evaluators.id = versions.evaluator_version_id
inner join evaluation.judges using (judge)
where versions.evaluator_version_id = %(version)s
"""
