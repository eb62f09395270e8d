"""The asset `evaluation/judgements` and its schedules, run by Dagster."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.partitions import range_tags
from orchestration.resources import Warehouse
from tests.judge_endpoint import JudgeEndpoint, Reply, judge_endpoint_in_thread
from tests.orchestration.conftest import Stack
from tests.orchestration.judging.setting import close_day, judge, policy
from tests.orchestration.seeding import DAY, add_calls, count

NIGHT = DAY.end + timedelta(hours=2, minutes=30)


@pytest.fixture
def endpoint() -> Iterator[JudgeEndpoint]:
    with judge_endpoint_in_thread() as running:
        yield running


def run(instance: dg.DagsterInstance, *, tags: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
    from orchestration.definitions import defs

    day = DAY.start.date()
    return (
        defs()
        .resolve_job_def("judging")
        .execute_in_process(
            instance=instance, tags={**range_tags(day, day), **(tags or {})}, raise_on_error=False
        )
    )


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    (event,) = result.get_asset_materialization_events()
    materialization = event.step_materialization_data.materialization
    return {name: value.value for name, value in materialization.metadata.items()}


@pytest.mark.slow
def test_a_day_is_judged_once_and_says_what_it_did(
    stack: Stack, instance: dg.DagsterInstance, endpoint: JudgeEndpoint
) -> None:
    none = metadata(run(instance))
    assert (none["n_judges"], none["dagster/row_count"]) == (0, 0)
    with connect(stack.url, autocommit=True) as connection:
        with connection.transaction():
            add_calls(connection, 12)
        policy(connection, max_calls_per_backfill=5)
        judge(connection, endpoint.url)

        part = metadata(run(instance, tags={"dagster/backfill": "b"}))
        assert part["llm_evaluator_judge_calls_total"] == 5
        rest = metadata(run(instance))
        again = metadata(run(instance))

        assert (rest["llm_evaluator_judge_calls_total"], rest["llm_evaluator_judgements_total"]) == (7, 7)
        assert again["llm_evaluator_judge_calls_total"] == 0
        assert "| helpful |" in str(rest["preview"])
        assert endpoint.requests == 12

        endpoint.answer = lambda body: Reply(status=401)
        with connection.transaction():
            add_calls(connection, 2, seed="more", output="another #")
        failed = run(instance)
        assert not failed.success
        (step,) = [event for event in failed.all_events if event.is_step_failure]
        assert "judge helpful" in str(step.step_failure_data.error)
        assert count(connection, "evaluation.judgements") == 12


def test_schedules_ask_for_nothing_until_there_is_a_judge(warehouse: DatabaseUrl, tmp_path: Path) -> None:
    from orchestration.judging_schedules import judging_closed, judging_today

    resource = Warehouse(home=str(tmp_path), database_url=warehouse.libpq())

    def tick(schedule: Any) -> Any:
        with (
            dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
            dg.build_schedule_context(
                instance=instance, scheduled_execution_time=NIGHT, resources={"warehouse": resource}
            ) as context,
        ):
            return schedule(context)

    for schedule in (judging_today, judging_closed):
        asked = tick(schedule)
        assert isinstance(asked, dg.SkipReason)
        assert "no judge is configured" in (asked.skip_message or "")

    with connect(warehouse, autocommit=True) as connection:
        policy(connection)
        judge(connection, "http://127.0.0.1:9/v1")
        connection.execute("update evaluation.evaluator_versions set current_from = '2026-10-01'")
        close_day(connection)

    today, (closed,) = tick(judging_today), tick(judging_closed)
    assert today.partition_key == NIGHT.date().isoformat()
    assert closed.partition_key == DAY.start.date().isoformat()
