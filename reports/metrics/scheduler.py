"""What is asked of Dagster's own database, so that "the scheduler has stopped" needs no scheduler to be told.

Times come from numbers that Dagster writes (seconds since the epoch): its timestamp columns have no zone.
"""

from reports.metrics.families import Database, Family, Source

# A daemon that a newer Dagster does not have any more leaves its last beat there for ever.
HEARTBEATS = Source(
    labels=("daemon",),
    families=(
        Family(
            "llm_evaluator_scheduler_heartbeat_timestamp_seconds",
            "When a daemon of Dagster last said that it lives, in the last week.",
        ),
    ),
    query="""
        with beats as (
            select lower(daemon_type) as daemon, (body::jsonb ->> 'timestamp')::double precision as beat_at
            from daemon_heartbeats
        )

        select daemon, beat_at from beats where beat_at > extract(epoch from now()) - 7 * 86400
    """,
)
# A walk along the index of jobs: one look each, however many runs there are.
JOBS = Source(
    labels=("job",),
    families=(
        Family("llm_evaluator_job_last_success_timestamp_seconds", "When a run of the job last succeeded."),
        Family("llm_evaluator_job_failures", "Runs of the job that failed in the last hour."),
    ),
    query="""
        with recursive jobs as (
            (select pipeline_name as job from runs order by pipeline_name limit 1)
            union all
            select (
                select pipeline_name from runs where pipeline_name > jobs.job order by pipeline_name limit 1
            )
            from jobs
            where jobs.job is not null
        ),

        failures as (
            select pipeline_name as job, count(*) as n
            from runs
            where status = 'FAILURE' and end_time > extract(epoch from now()) - 3600
            group by pipeline_name
        )

        select
            jobs.job,
            (
                select end_time from runs
                where pipeline_name = jobs.job and status = 'SUCCESS'
                order by id desc
                limit 1
            ),
            coalesce(failures.n, 0)
        from jobs
        left join failures using (job)
        where jobs.job is not null
    """,
)
# All states, so that a queue that is empty is 0 and not missing.
RUNS = Source(
    labels=("status",),
    families=(Family("llm_evaluator_runs", "Runs that have not ended, by where they stand."),),
    query="""
        select lower(states.status), count(runs.id)
        from (values ('QUEUED'), ('NOT_STARTED'), ('STARTING'), ('STARTED'), ('CANCELING')) as states (status)
        left join runs on runs.status = states.status
        group by states.status
    """,
)

SCHEDULER = Database(
    up=Family("llm_evaluator_scheduler_storage_up", "1 while Dagster's database answers."),
    sources=(HEARTBEATS, JOBS, RUNS),
)
