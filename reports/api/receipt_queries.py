"""The queries of a receipt: each finds one call by its primary key, whose time the id itself tells."""

from psycopg.sql import SQL

from reports.api.receipt_shapes import LandedCall

# Ids that landed are checked to hold their time (`call_id_holds_started_at`).
_HERE = "started_at = ingest.uuid7_time(%(call_id)s) and call_id = %(call_id)s"

CALL = SQL("select {columns} from raw.llm_calls where " + _HERE).format(
    columns=SQL(", ").join(SQL(name) for name in LandedCall.__struct_fields__)  # pyright: ignore[reportArgumentType]
)

TEXT = SQL("select input_text, output_text, request, response from raw.llm_bodies where " + _HERE)

QUARANTINE = SQL("select reason from evaluation.quarantine where " + _HERE + " order by check_name")

FEEDBACK = SQL(
    "select name, value, comment, at from evaluation.feedback where call_id = %(call_id)s order by at, name"
)

TEMPLATE = SQL(
    "select templates.template from evaluation.prompt_assignments as assignments"
    " inner join evaluation.prompt_templates as templates using (template_id)"
    " where assignments.started_at = ingest.uuid7_time(%(call_id)s) and assignments.call_id = %(call_id)s"
)

# A rule that did not change stands in several rule sets: its newest result is the one.
SCORES = SQL(
    """
    with rules as (
        select distinct on (versions.id)
            versions.id,
            results.started_at,
            results.rule_set_version,
            case
                when results.unscored ? versions.evaluator then null
                when versions.evaluator = any (results.failed) then 0
                else 1
            end::double precision as value,
            case
                when results.unscored ? versions.evaluator then null
                when versions.evaluator = any (results.failed) then 'fail'
                else 'pass'
            end as label,
            results.unscored ->> versions.evaluator as unscored_reason,
            results.evidence ->> versions.evaluator as reason,
            null::jsonb as details,
            null::text as judge_model,
            null::double precision as inclusion_probability,
            null::numeric as cost_usd,
            results.scored_at
        from evaluation.rule_results as results
        inner join evaluation.rule_set_members as members using (rule_set_version)
        inner join evaluation.evaluator_versions as versions on versions.id = members.evaluator_version_id
        where results.started_at = ingest.uuid7_time(%(call_id)s) and results.call_id = %(call_id)s
        order by versions.id, results.scored_at desc, results.rule_set_version desc
    ),
    judgements as (
        select
            evaluator_version_id as id,
            started_at,
            null::integer as rule_set_version,
            value::double precision,
            label,
            unscored_reason,
            explanation,
            details,
            judge_model,
            inclusion_probability,
            cost_usd,
            scored_at
        from evaluation.judgements
        where started_at = ingest.uuid7_time(%(call_id)s) and call_id = %(call_id)s
    ),
    found as (
        select * from rules
        union all
        select * from judgements
    )
    select
        versions.evaluator,
        versions.version as evaluator_version,
        versions.kind,
        versions.status,
        exists (
            select from evaluation.version_periods as periods
            where periods.evaluator_version_id = versions.id
                and (periods.current_from is null or periods.current_from <= found.started_at)
                and (periods.current_to is null or periods.current_to > found.started_at)
        ) as is_current,
        versions.severity,
        found.rule_set_version,
        found.value,
        found.label,
        found.unscored_reason,
        found.reason,
        found.details,
        found.judge_model,
        found.inclusion_probability,
        found.cost_usd,
        found.scored_at
    from found
    inner join evaluation.evaluator_versions as versions using (id)
    order by versions.kind desc, versions.evaluator, found.scored_at, versions.id
    """
)

_CHARGE = """
    attempt, provider, model, price_version, price_row_ids, input_uncached, cache_read, cache_write,
    cache_write_1h, input_audio, input_image, output_text, reasoning, output_audio, output_image, amount_usd,
    unpriced_reason, reported_usd, is_provisional, charged_at
"""
CHARGES = SQL(
    "select "
    + _CHARGE
    + ", null::timestamptz as superseded_at, null::text as reason from cost.charges where "
    + _HERE
    + " union all select "
    + _CHARGE
    + ", superseded_at, reason from cost.charge_history where "
    + _HERE
    + " order by attempt, superseded_at desc nulls first"
)

PRICES = SQL(
    """
    select
        id, provider, model, match, bucket, usd_per_million, min_input_tokens, service_tier, valid_from,
        valid_to, recorded_at, superseded_at, source, price_version
    from cost.prices
    where id = any(%(ids)s)
    order by id
    """
)
