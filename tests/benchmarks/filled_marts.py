"""Marts of many days, filled by SQL and by the project's own models; calls of no text, as marts have none."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.rules.catalogue import RULES
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.rules.rule_sets import register_rule_set
from tests.dbt_project.running_dbt import Dbt

N_MODELS, N_PROJECTS, N_USERS, N_PROMPTS, N_TEMPLATES = 6, 4, 2_000, 20, 200
JUDGED_SHARE = 1 / 16
# Of every fifth call the prompt is known: the mix has all its cells from a hundredth of them on.
ASSIGNED_SHARE = 0.2

CALLS: LiteralString = """
insert into marts.calls (
    call_id, started_at, source, endpoint, provider, model, served_model, project, environment, key_id,
    user_id, session_id, prompt_name, prompt_version, purpose, is_streamed, body_state, status, http_status,
    error_type, finish_reason, latency_ms, ttft_ms, rule_set_version, n_rules_scored, n_rules_failed,
    failed_rules, unscored_rules, is_failed, n_attempts, n_attempts_unpriced, price_version, input_uncached,
    cache_read, cache_write, cache_write_1h, input_audio, output_text, reasoning, output_audio, amount_usd,
    unpriced_reason, failed_attempts_usd, reported_usd
)
with drawn as materialized (
    select
        number,
        (random() ^ 2 * (%(n_users)s - 1))::integer as user_number,
        random() as luck,
        random() as outcome,
        (100 + random() * 2000)::bigint as n_input,
        (20 + random() * 500)::bigint as n_output
    from generate_series(0, %(n_calls)s - 1) as numbers (number)
),
chosen as (
    select
        *,
        'model-' || (user_number + (luck * 1.3)::integer) %% %(n_models)s as model,
        'project-' || user_number %% %(n_projects)s as project,
        outcome < 0.01 as is_error,
        outcome < 0.05 as has_failed
    from drawn
)
select
    gen_random_uuid(),
    date_trunc('milliseconds', %(day)s + number * interval '1 day' / %(n_calls)s),
    'proxy', 'chat/completions', 'provider-' || right(model, 1)::integer / 3, model, model, project,
    'production', 'key_' || project, 'user-' || user_number,
    'session-' || user_number * 10 + (luck * 9)::integer,
    'prompt-' || (luck * %(n_prompts)s)::integer, 'v' || (outcome * 2)::integer, 'product', luck < 0.5,
    'full', case when is_error then 'error' else 'ok' end, case when is_error then 500 else 200 end,
    case when is_error then 'server_error' end, case when not is_error then 'stop' end,
    exp(5 + 2 * luck + outcome), case when luck < 0.5 then exp(3 + 2 * luck) end, %(rule_set)s, 10,
    has_failed::integer, case when has_failed then array['refusal'] else '{}' end,
    '{"json_schema": "not_applicable", "invalid_json": "not_applicable"}', has_failed, 1, 0, 1,
    n_input, 0, 0, 0, 0, n_output, 0, 0, (n_input * 3 + n_output * 15) / 1000000.0, null, null, null
from chosen
"""
ASSIGNMENTS: LiteralString = """
insert into evaluation.prompt_assignments (
    started_at, call_id, template_id, miner, prompt_hash, n_characters, prompt_class, language
)
select
    started_at,
    call_id,
    (select template_id from evaluation.prompt_templates where template = 'template ' || number),
    'bench',
    number,
    10 * number,
    (array['question', 'task', 'code', 'chat'])[1 + number %% 4],
    (array['en', 'ko', 'de'])[1 + number %% 3]
from (
    select started_at, call_id, ('x' || left(call_id::text, 7))::bit(28)::integer %% %(n_templates)s as number
    from marts.calls
    where started_at >= %(day)s and started_at < %(day)s + interval '1 day' and random() < %(share)s
) as calls
"""
TEMPLATES: LiteralString = """
insert into evaluation.prompt_templates (template_id, origin, template, first_seen)
select gen_random_uuid(), 'caller', 'template ' || number, %(day)s
from generate_series(0, %(n_templates)s - 1) as numbers (number)
"""
JUDGED: LiteralString = """
insert into marts.judged_calls (
    started_at, call_id, model, project, evaluator, evaluator_version, value, weight, cluster
)
select
    started_at, call_id, model, project, judge, '1', 1 + (random() * 4)::integer,
    1 / %(share)s::double precision, left(call_id::text, 6)
from marts.calls
cross join (values ('helpfulness'), ('correctness')) as judges (judge)
where started_at >= %(day)s and started_at < %(day)s + interval '1 day' and left(call_id::text, 1) = '0'
"""
JUDGED_HOURS: LiteralString = """
insert into marts.quality_hourly (
    hour, model, project, evaluator, evaluator_version, kind, n_eligible, n_scored, n_failed, n_unscored,
    unscored_by_reason, n_sampled_out, n_pending, pass_rate, pass_rate_low, pass_rate_high, n_clusters,
    mean_score, mean_score_low, mean_score_high, coverage
)
select
    date_trunc('hour', started_at, 'UTC'), model, project, evaluator, evaluator_version, 'judge',
    16 * count(*), count(*), null, 0, '{}', 15 * count(*), 0, null, null, null, count(distinct cluster),
    avg(value), avg(value) - 0.1, avg(value) + 0.1, 0.0625
from marts.judged_calls
group by 1, 2, 3, 4, 5
"""
EVENTS: LiteralString = """
insert into alerting.events (
    event_id, rule, group_key, transition, severity, value, threshold, n, message, happened_at
)
select
    gen_random_uuid(), 'failing_share', 'model-' || number %% 6,
    (array['firing', 'resolved'])[1 + number %% 2], 'critical', 0.3, 0.25, 400, 'an alert',
    %(day)s + number * interval '1 hour'
from generate_series(0, 24 * %(n_days)s - 1) as numbers (number)
"""


def fill_marts(url: DatabaseUrl, dbt: Dbt, *, first: date, n_days: int, n_calls: int) -> None:
    """`n_calls` calls on each of `n_days` days from `first` on, in every mart that is made from calls.

    `calls` and the grades of judges are written here; all else the project's models make of them.
    """
    dbt.build(url, windows=[], selector="deploy")
    with connect(url, autocommit=True) as connection:
        _write(connection, first=first, n_days=n_days, n_calls=n_calls)
    # One window for each month or so: what dbt reads for a window, it holds in a temporary table.
    for start in range(0, n_days, 30):
        days = _window(first + timedelta(days=start), n_days=min(30, n_days - start))
        _run(dbt, url, days, "config.materialized:incremental", "calls", "judged_calls", "tag:daily")
    with connect(url, autocommit=True) as connection:
        connection.execute(JUDGED_HOURS)
        connection.execute("vacuum analyze")
    for start in range(0, n_days, 30):
        days = _window(first + timedelta(days=start), n_days=min(30, n_days - start))
        _run(dbt, url, days, "tag:daily", "config.materialized:view")
    with connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def _write(connection: Connection[TupleRow], *, first: date, n_days: int, n_calls: int) -> None:
    rule_set = register_rule_set(connection, RULES).version
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    connection.execute("select setseed(0.5)")
    connection.execute(TEMPLATES, {"day": start, "n_templates": N_TEMPLATES})
    connection.execute(EVENTS, {"day": start, "n_days": n_days})
    sizes = {
        "n_models": N_MODELS,
        "n_projects": N_PROJECTS,
        "n_users": N_USERS,
        "n_prompts": N_PROMPTS,
        "n_templates": N_TEMPLATES,
    }
    for number in range(n_days):
        values: dict[str, Any] = {**sizes, "day": start + timedelta(days=number), "n_calls": n_calls}
        connection.execute("select ingest.ensure_month(%(day)s::date)", values)
        connection.execute(CALLS, {**values, "rule_set": rule_set})
        connection.execute(ASSIGNMENTS, {**values, "share": ASSIGNED_SHARE})
        connection.execute(JUDGED, {**values, "share": JUDGED_SHARE})
    connection.execute("vacuum analyze")


def _window(first: date, *, n_days: int) -> list[list[str]]:
    return [[f"{first}T00:00:00Z", f"{first + timedelta(days=n_days)}T00:00:00Z"]]


def _run(dbt: Dbt, url: DatabaseUrl, windows: list[list[str]], select: str, *exclude: str) -> None:
    done = dbt("run", "--select", select, "--exclude", *exclude, url=url, windows=windows)
    assert done.success, done.text
