"""What is asked of the warehouse: the ledger, the judges, the refresh, the spools, the outbox.

Each query reads an index or a small table, and none the calls: the page costs the same at any traffic.
"""

from reports.metrics.families import Database, Family, Source

# Two UTC days: at one in the morning the last hour's calls are of yesterday.
LEDGER = Source(
    labels=("evaluator", "kind"),
    families=(
        Family("llm_evaluator_eligible_calls", "Calls of today and yesterday that it should judge."),
        Family("llm_evaluator_scored_calls", "Of these, with a verdict."),
        Family("llm_evaluator_pending_calls", "Of these, waiting for their first result."),
        Family("llm_evaluator_sampled_out_calls", "Of these, left out by a judge's policy."),
        Family(
            "llm_evaluator_coverage_ratio", "Scored by eligible; the rest is pending, unscored or left out."
        ),
    ),
    query="""
        select
            evaluator, kind, sum(n_eligible), sum(n_scored), sum(n_pending), sum(n_sampled_out),
            sum(n_scored) / nullif(sum(n_eligible), 0)
        from marts.evaluation_coverage
        where day >= (now() at time zone 'UTC')::date - 1
        group by evaluator, kind
    """,
)
REASONS = Source(
    labels=("evaluator", "kind", "reason"),
    families=(
        Family("llm_evaluator_unscored_calls", "Calls of today and yesterday that it looked at in vain."),
    ),
    query="""
        select evaluator, kind, unscored.reason, sum(unscored.count_calls::bigint)
        from marts.evaluation_coverage
        cross join jsonb_each_text(unscored_by_reason) as unscored (reason, count_calls)
        where day >= (now() at time zone 'UTC')::date - 1
        group by evaluator, kind, unscored.reason
    """,
)
JUDGES = Source(
    labels=("evaluator",),
    families=(
        Family("llm_evaluator_last_run_timestamp_seconds", "When a judge last worked, in the last 30 days."),
    ),
    query="""
        select versions.evaluator, extract(epoch from max(days.last_run_at))
        from evaluation.judge_days as days
        inner join evaluation.evaluator_versions as versions on versions.id = days.evaluator_version_id
        where days.last_run_at > now() - interval '30 days'
        group by versions.evaluator
    """,
)
RETRIES = Source(
    labels=("evaluator", "reason"),
    families=(
        Family("llm_evaluator_retriable_judgements", "Judgements of the last two days to be tried again."),
    ),
    query="""
        select versions.evaluator, judgements.unscored_reason, count(*)
        from evaluation.judgements
        inner join evaluation.evaluator_versions as versions on versions.id = judgements.evaluator_version_id
        where judgements.is_retriable and judgements.started_at >= now() - interval '2 days'
        group by versions.evaluator, judgements.unscored_reason
    """,
)
SPEND = Source(
    labels=("policy",),
    families=(
        Family("llm_evaluator_judge_spend_usd", "What the policy's judges have cost today (UTC)."),
        Family("llm_evaluator_judge_requests", "What they have asked today."),
        Family("llm_evaluator_judge_budget_usd", "What they may cost a day, where that is limited."),
    ),
    query="""
        select
            policies.policy,
            coalesce(spend.amount_usd, 0),
            coalesce(spend.n_calls, 0),
            policies.max_usd_per_day
        from evaluation.judge_policies as policies
        left join evaluation.judge_spend as spend
            on spend.policy = policies.policy
            and spend.scope = 'day'
            and spend.subject = (now() at time zone 'UTC')::date::text
    """,
)
REFRESH = Source(
    labels=("stage",),
    families=(
        Family("llm_evaluator_refresh_waiting_hours", "Hours that were written to since their last refresh."),
        Family(
            "llm_evaluator_refresh_oldest_change_timestamp_seconds", "When the longest waiting was written."
        ),
    ),
    query="""
        select dirty.stage, count(distinct dirty.hour), extract(epoch from min(dirty.changed_at))
        from raw.dirty_hours as dirty
        where dirty.hour < now() + interval '1 day'
            and not exists (
                select from evaluation.held_hours as held
                where held.hour = dirty.hour
            )
        group by dirty.stage
    """,
)
HELD = Source(
    labels=(),
    families=(
        Family("llm_evaluator_held_hours", "Hours on which dbt fails, set aside until it is tried again."),
    ),
    query="select count(*) from evaluation.held_hours",
)
CLOSES = Source(
    labels=(),
    families=(
        Family("llm_evaluator_last_closed_day_timestamp_seconds", "Start of the newest day that is closed."),
    ),
    query="select extract(epoch from max(day)::timestamp at time zone 'UTC') from evaluation.day_closes",
)
SPOOLS = Source(
    labels=("host", "path"),
    families=(
        Family("llm_evaluator_spool_seen_timestamp_seconds", "When a loader last had all of a live spool."),
        Family(
            "llm_evaluator_spool_low_watermark_timestamp_seconds", "Up to when all its calls have landed."
        ),
    ),
    query="""
        select host, path, extract(epoch from max(seen_at)), extract(epoch from min(low_watermark))
        from ingest.spools
        where retired_at is null
        group by host, path
    """,
)
# What a silence, a mute or quiet hours hold back does not wait for the sender, and is not counted.
OUTBOX = Source(
    labels=("channel",),
    families=(
        Family("llm_evaluator_outbox_waiting_messages", "Messages of alerts that could have gone out."),
        Family("llm_evaluator_outbox_dead_messages", "Messages that were given up in the last seven days."),
        Family(
            "llm_evaluator_outbox_oldest_timestamp_seconds", "Since when the longest waiting could have gone."
        ),
    ),
    query="""
        with unsent as (
            select
                outbox.channel,
                outbox.dead_at,
                coalesce(outbox.first_attempt_at, outbox.next_attempt_at) as could_go_at,
                outbox.dead_at is null
                    and (outbox.attempts > 0 or outbox.next_attempt_at <= now())
                    and alerting.held_back(events, now()) is null as is_waiting
            from alerting.outbox
            inner join alerting.events using (event_id)
            where outbox.sent_at is null and outbox.muted_at is null
        )

        select
            channel,
            count(*) filter (where is_waiting),
            count(*) filter (where dead_at > now() - interval '7 days'),
            extract(epoch from min(could_go_at) filter (where is_waiting))
        from unsent
        group by channel
    """,
)
FIRING = Source(
    labels=("rule", "severity"),
    families=(Family("llm_evaluator_alerts_firing", "Groups for which an alert rule over the marts fires."),),
    query="""
        select rule, severity, count(*)
        from alerting.states
        where state = 'firing' and source <> 'alertmanager'
        group by rule, severity
    """,
)

WAREHOUSE = Database(
    up=Family("llm_evaluator_up", "1 while the warehouse answers; without it nothing else is known here."),
    sources=(LEDGER, REASONS, JUDGES, RETRIES, SPEND, REFRESH, HELD, CLOSES, SPOOLS, OUTBOX, FIRING),
)
