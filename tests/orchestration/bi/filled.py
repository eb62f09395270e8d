"""Every mart with two rows an hour or a day, written straight into the tables: no calls, no dbt run.

What the figures mean is tested where the marts are made; here a query must find columns, types and rows.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
UNTIL = datetime(2026, 11, 8, tzinfo=UTC)
MODELS = ("model-0", "model-1")
PER_TIME = 2

COLUMNS = """
select table_name, column_name, data_type
from information_schema.columns
inner join information_schema.tables using (table_schema, table_name)
where table_schema = 'marts' and table_type = 'BASE TABLE'
order by table_name, ordinal_position
"""
# By table where a name alone does not say it: one row for each model, the same in all else that models share.
EVALUATORS = {
    "quality_by_user": ("rules", "rules"),
    "quality_by_prompt": ("rules", "rules"),
    "model_pairs_daily": ("rules", "rules"),
    "judge_mix_daily": ("helpfulness", "helpfulness"),
    "judge_quality_daily": ("helpfulness", "helpfulness"),
}
TEXTS: dict[str, tuple[str, str]] = {
    "model": MODELS,
    "other_model": ("model-1", "model-0"),
    "evaluator": ("refusal", "helpfulness"),
    "kind": ("rule", "judge"),
    "evaluator_version": ("1", "1"),
    "measure": ("latency", "ttft"),
    "status": ("ok", "error"),
    "user_id": ("user-0", "사용자 🙂"),
}
NUMBERS = {"n_calls": 100, "n_eligible": 100, "n_scored": 80, "n_failed": 8, "n_unscored": 5, "n_pending": 10}

VERSIONS = """
insert into evaluation.evaluator_versions (evaluator, version, kind, status, current_from, current_to)
values
    ('refusal', '1', 'rule', 'retired', '2026-10-01', '2026-11-03'),
    ('refusal', '2', 'rule', 'active', '2026-11-03', null),
    ('helpfulness', '1', 'judge', 'active', null, null);
insert into evaluation.calibrations (
    evaluator_version_id, stratum, n, n_clusters, agreement, kappa, figures, state
)
select id, 'overall', 200, 150, 0.9, 0.7, '{}', 'ok' from evaluation.evaluator_versions where kind = 'judge';
insert into evaluation.pass_rates (
    day, evaluator_version_id, stratum, n, n_clusters, n_parse_errors, raw, n_labels, corrected
)
select '2026-11-02', id, 'overall', 90, 80, 1, 0.8, 100, 0.75
from evaluation.evaluator_versions where kind = 'judge';
insert into evaluation.golden_drift (
    golden_set, evaluator_version_id, day, baseline_day, n, shift, judge_models, is_drift
)
select 'golden', id, '2026-11-02', '2026-11-01', 40, 0.2, '{judge-1}', true
from evaluation.evaluator_versions where kind = 'judge';
insert into evaluation.drift_findings (
    day, column_name, kind, method, value, threshold, is_drift, n_current, n_reference, reference_from,
    evidently_version
)
values ('2026-11-02', 'latency_ms', 'number', 'Wasserstein', 0.2, 0.1, true, 900, 900, '2026-10-26', '0.7');
insert into evaluation.prompt_templates (template_id, origin, template, miner, first_seen)
values ('11111111-1111-1111-1111-111111111111', 'mined', 'Summarise <TEXT> 👋', '1.0.0', '2026-11-01');
insert into evaluation.replays (
    replay_id, fingerprint, window_start, window_end, settings, sample, models, max_usd, outcome, started_at,
    finished_at
)
values (
    '00000000-0000-7000-8000-000000000001', '', '2026-10-01', '2026-11-01', '{"seed": 1}',
    '{"calls": [], "sizes": {}}', '{model-0}', 5, 'finished', '2026-11-02', '2026-11-02'
);
insert into evaluation.replay_claims (
    replay_id, purpose, subject, key, reserved_usd, spent_usd, is_known, settled_at
)
values ('00000000-0000-7000-8000-000000000001', 'replay', 'model-0', '', 0.5, 0.25, true, '2026-11-02');
insert into evaluation.replay_points (
    replay_id, rubric, model, is_incumbent, evaluator_version_id, judge_model, n_prompts, n_answered,
    n_graded, n_priced, n_pairs, represented, grade, usd_per_1k, sample_usd, price_version, dominated_by,
    surely_dominated_by, unscored
)
select
    '00000000-0000-7000-8000-000000000001', 'helpfulness', model, false, id, 'judge-1', 20, 20, 20, 20, 20, 1,
    4, 1.5, 0.03, 1, '{}', '{}', '{}'
from evaluation.evaluator_versions
cross join (values ('model-0'), ('model-1')) as models (model)
where kind = 'judge';
insert into cost.invoices (content_hash, source, format, providers, n_lines, first_day, last_day, amount_usd)
values ('', 'a file', 'csv', '{provider-0}', 1, '2026-11-02', '2026-11-07', 40);
insert into cost.invoice_lines (invoice_id, line, provider, day, kind, model, amount_usd)
values (1, 1, 'provider-0', '2026-11-02', 'cost', 'model-0', 40);
insert into access.budgets (budget_id, scope, subject, period, limit_usd)
values ('bud_1', 'project', 'shop', 'month', 100);
insert into cost.chargebacks (month, closed_by, price_version, n_lines, amount_usd, content_hash)
values ('2026-11-01', 'kim', 1, 1, 3, '');
insert into cost.chargeback_lines (
    month, of_month, project, key_id, provider, model, purpose, line, n_attempts, n_calls, n_unpriced,
    amount_usd
)
values ('2026-11-01', '2026-11-01', 'project-0', 'k', 'p', 'm', 'product', 'answer', 1, 1, 0, 3);
insert into evaluation.day_closes (day, n_calls) values ('2026-11-01', 200);
insert into evaluation.day_checks (day, check_name, passed, n, severity)
values ('2026-11-01', 'unknown_models', false, 3, 'warn');
insert into evaluation.restatements (day, stage, reason) values ('2026-11-01', 'calls', 'calls changed');
insert into raw.dirty_hours (hour, stage) values ('2026-11-07 20:00+00', 'calls');
insert into alerting.states (rule, group_key, state, since, value, n, evaluated_at)
values ('failing_share', 'model-0', 'firing', '2026-11-05', 0.4, 90, '2026-11-07');
insert into alerting.silences (ends_at, starts_at, reason, created_by)
values ('2026-11-03 09:00+00', '2026-11-02', 'a release', 'kim@example.com');
insert into alerting.events (event_id, rule, group_key, transition, severity, value, n, message, happened_at)
select
    md5(happened_at::text)::uuid, 'failing_share', 'model-0', transition, 'critical', 0.4, 90, 'so and so',
    happened_at
from (
    values
    ('firing', timestamptz '2026-11-03 10:00+00'),
    ('resolved', timestamptz '2026-11-03 12:00+00'),
    ('firing', timestamptz '2026-11-05 10:00+00')
) as events (transition, happened_at);
insert into alerting.mutes (rule, starts_at, ends_at, reason, created_by)
values ('judge_grades', '2026-11-02', '2026-11-03 09:00+00', 'wrong threshold', 'kim@example.com');
insert into alerting.acknowledgements (event_id, acknowledged_by, note)
select event_id, '김 🙂', 'on it' from alerting.events where happened_at = '2026-11-05 10:00+00';
insert into alerting.actions (acted_at, action, acted_by, via, rule, note, ends_at)
values ('2026-11-02', 'muted', 'kim@example.com', 'cli', 'judge_grades', 'wrong threshold', '2026-11-03');
insert into alerting.outbox (event_id, channel, payload, sent_at)
select event_id, 'slack', '{}', case transition when 'resolved' then happened_at end from alerting.events;
"""


def fill(connection: psycopg.Connection[TupleRow]) -> None:
    """Two rows (models) an hour or a day from SINCE to UNTIL in every table of marts, and what views read."""
    connection.execute(VERSIONS)  # pyright: ignore[reportArgumentType]
    tables: dict[str, list[tuple[str, str]]] = {}
    for table, column, form in connection.execute(COLUMNS):
        tables.setdefault(table, []).append((column, form))
    for table, columns in tables.items():
        _fill_table(connection, table, columns)
    connection.commit()


def call_id(number: int, *, at: datetime) -> UUID:
    """A UUID v7 of that millisecond."""
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0x8 << 60 | number)


def _fill_table(connection: psycopg.Connection[TupleRow], table: str, columns: list[tuple[str, str]]) -> None:
    names = [name for name, _ in columns]
    is_hourly = "day" not in names
    step = timedelta(hours=1) if is_hourly else timedelta(days=1)
    count = int((UNTIL - SINCE) / step)
    rows = [
        tuple(_value(table, name, form, at=SINCE + step * place, number=number) for name, form in columns)
        for place in range(count)
        for number in range(PER_TIME)
    ]
    statement = sql.SQL("insert into marts.{} ({}) values ({}) on conflict do nothing").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(sql.Placeholder() * len(names)),
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)


def _value(table: str, name: str, form: str, *, at: datetime, number: int) -> Any:
    if name == "evaluator" and table in EVALUATORS:
        return EVALUATORS[table][number]
    named: dict[str, Any] = {
        **{text: values[number] for text, values in TEXTS.items()},
        **NUMBERS,
        "call_id": call_id(number, at=at),
        "template_id": UUID("1" * 32),
        "bucket": 200 + number,
        "rule_set_version": 1,
        "rule_set_versions": [1],
        "buckets": [200],
        "counts": [10],
        "example_call_ids": [call_id(0, at=at)],
        "unscored_by_reason": '{"error": 5}',
    }
    return named[name] if name in named else _plain(name, form, at=at)


def _plain(name: str, form: str, *, at: datetime) -> Any:
    return {
        "date": at.date(),
        "timestamp with time zone": at,
        "bigint": 10,
        "integer": 10,
        "double precision": 0.5,
        "numeric": 1.5,
        "boolean": True,
        "jsonb": "{}",
        "uuid": UUID("2" * 32),
        "text": f"{name}-0",
        "ARRAY": ["refusal"],
    }[form]
