"""Batches through Dagster: the asset sends, the sensor polls, its job collects."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.test_utils import create_run_for_test
from psycopg.rows import TupleRow

from ingest.database.connect import connect
from orchestration.resources import Warehouse
from tests.batch_provider import BatchProvider
from tests.orchestration.conftest import Stack
from tests.orchestration.judging.batching import KEY_VARIABLE, batch_judge, batch_states
from tests.orchestration.judging.setting import close_day, outcomes, policy
from tests.orchestration.seeding import DAY, add_calls, rows

Connection = psycopg.Connection[TupleRow]
NIGHT = datetime(2026, 10, 15, 2, 40, tzinfo=UTC)
PARTITION = "2026-10-14"


@pytest.fixture
def opened(stack: Stack, provider: BatchProvider) -> Iterator[Connection]:
    """A day of five calls and a judge that is asked in batches."""
    with connect(stack.url, autocommit=True) as connection:
        with connection.transaction():
            add_calls(connection, 5)
        policy(connection)
        batch_judge(connection, provider)
        connection.execute("update evaluation.evaluator_versions set current_from = '2026-10-01'")
        yield connection


@pytest.fixture
def tick(instance: dg.DagsterInstance) -> Callable[[], Any]:
    """One tick of the sensor, at a time when every batch may be looked at."""
    from orchestration.judging_batches import judge_batches_due

    def tick() -> Any:
        with dg.build_sensor_context(instance=instance, resources={"warehouse": Warehouse()}) as context:
            return judge_batches_due(context)

    return tick


def materialize(instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    from orchestration.assets.judge_batches import JudgeBatchesConfig, judge_batches

    return dg.materialize(
        [judge_batches],
        instance=instance,
        partition_key=PARTITION,
        resources={"warehouse": Warehouse()},
        run_config=dg.RunConfig({"evaluation__judge_batches": JudgeBatchesConfig(**config)}),
        raise_on_error=False,
    )


def collect(instance: dg.DagsterInstance) -> None:
    from orchestration.judging_batches import tend_judge_batches

    done = tend_judge_batches.execute_in_process(instance=instance, resources={"warehouse": Warehouse()})
    assert done.success


def test_from_the_asset_over_the_sensor_to_the_judgements(
    opened: Connection, provider: BatchProvider, instance: dg.DagsterInstance, tick: Callable[[], Any]
) -> None:
    assert isinstance(tick(), dg.SkipReason), "nothing has been sent"
    assert materialize(instance).success
    (event,) = instance.fetch_materializations(dg.AssetKey(["evaluation", "judge_batches"]), limit=1).records
    told = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    assert (told["n_judges"], told["n_requests"], told["n_batches"]) == (1, 5, 1)

    requests = []
    for _ in range(10):
        opened.execute("update evaluation.judge_batches set next_look_at = now()")
        requests.append(tick())
        if isinstance(requests[-1], dg.RunRequest):
            break
    assert all(isinstance(request, dg.SkipReason) for request in requests[:3]), "it was not done yet"
    assert isinstance(requests[-1], dg.RunRequest)
    collect(instance)
    assert outcomes(opened) == {"scored": 5}
    assert isinstance(tick(), dg.SkipReason)
    assert len(provider.paid()) == 5


def test_a_run_is_asked_for_once_while_it_is_running(
    opened: Connection, provider: BatchProvider, instance: dg.DagsterInstance, tick: Callable[[], Any]
) -> None:
    materialize(instance)
    provider.finish()
    assert isinstance(tick(), dg.RunRequest)
    run = create_run_for_test(instance, job_name="tend_judge_batches", status=dg.DagsterRunStatus.STARTED)
    assert tick() == dg.SkipReason("batches are being tended")
    instance.delete_run(run.run_id)
    assert isinstance(tick(), dg.RunRequest), "it is still due, and no run key keeps it from coming back"


def test_after_a_failed_run_it_waits_before_the_next(
    opened: Connection, provider: BatchProvider, instance: dg.DagsterInstance, tick: Callable[[], Any]
) -> None:
    materialize(instance)
    provider.finish()
    create_run_for_test(instance, job_name="tend_judge_batches", status=dg.DagsterRunStatus.FAILURE)
    assert isinstance(tick(), dg.SkipReason)


def test_a_half_sent_batch_is_due(
    opened: Connection,
    provider: BatchProvider,
    instance: dg.DagsterInstance,
    tick: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    failed = materialize(instance)
    assert not failed.success
    assert KEY_VARIABLE in str(failed.all_events)
    assert batch_states(opened) == ["prepared"]
    assert isinstance(tick(), dg.RunRequest)


def test_a_provider_that_is_away_does_not_stop_the_sensor(
    opened: Connection, provider: BatchProvider, instance: dg.DagsterInstance, tick: Callable[[], Any]
) -> None:
    materialize(instance)
    opened.execute("update evaluation.judge_batches set base_url = 'http://127.0.0.1:9/v1'")
    assert isinstance(tick(), dg.SkipReason)
    ((problem,),) = rows(opened, "select problem from evaluation.judge_batches")
    assert "no answer" in problem


def test_a_cancelled_day_is_asked_again_by_materialising_it_with_again(
    opened: Connection, provider: BatchProvider, instance: dg.DagsterInstance
) -> None:
    materialize(instance)
    (name,) = provider.batches
    provider.batches[name].document["status"] = "cancelling"
    provider.finish()
    collect(instance)
    assert outcomes(opened) == {"cancelled": 5}
    materialize(instance)
    assert len(provider.batches) == 1
    materialize(instance, again=True)
    assert len(provider.batches) == 2
    provider.finish()
    collect(instance)
    assert outcomes(opened) == {"scored": 5}


def test_the_night_asks_for_closed_days_and_asks_once(
    opened: Connection, provider: BatchProvider, instance: dg.DagsterInstance
) -> None:
    from orchestration.judging_batches import batching_closed

    def night() -> Any:
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=NIGHT, resources={"warehouse": Warehouse()}
        ) as context:
            return batching_closed(context)

    assert isinstance(night(), dg.SkipReason), "the day is not closed"
    close_day(opened)
    assert [request.partition_key for request in night()] == [PARTITION]
    materialize(instance)
    assert isinstance(night(), dg.SkipReason)
    assert DAY.start.date().isoformat() == PARTITION
