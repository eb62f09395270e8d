"""Selection of calls: a hash below a rate, failures always, and a minimum for each stratum."""

from datetime import timedelta
from hashlib import md5
from itertools import product
from random import Random
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestration.judging.policies import Policy, PolicyError
from orchestration.judging.selection import inclusion_probability, select_calls, top_up
from orchestration.rules.scoring import score_window
from tests.orchestration.judging.setting import policy
from tests.orchestration.seeding import DAY, DAY_START, add_calls, count, rows

Connection = psycopg.Connection[TupleRow]
SELECTED = "select call_id, probability, phase from evaluation.judge_selections order by call_id"


@pytest.fixture(autouse=True)
def _outside_a_transaction(connection: Connection) -> None:
    connection.autocommit = True


def seed(connection: Connection, n: int, **changes: object) -> None:
    with connection.transaction():
        add_calls(connection, n, **changes)  # type: ignore[arg-type]


def point(call_id: UUID, name: str = "default") -> float:
    """The sample point by another way than the database's."""
    return int(md5(f"{call_id}/{name}".encode()).hexdigest()[:13], 16) / 2**52


def test_a_call_is_selected_where_its_point_lies_below_the_rate(connection: Connection) -> None:
    seed(connection, 400)
    given = policy(connection, rate=0.3)

    n_selected = select_calls(connection, given, DAY)

    calls = [call_id for (call_id,) in rows(connection, "select call_id from raw.llm_calls")]
    wanted = sorted(call_id for call_id in calls if point(call_id) < 0.3)
    assert rows(connection, SELECTED) == [(call_id, 0.3, 1) for call_id in wanted]
    assert n_selected == len(wanted)
    assert 80 < len(wanted) < 160


def test_selecting_again_changes_nothing_and_another_policy_draws_for_itself(connection: Connection) -> None:
    seed(connection, 400)
    given = policy(connection, rate=0.3)
    select_calls(connection, given, DAY)
    before = rows(connection, "select * from evaluation.judge_selections order by 1, 2")

    assert select_calls(connection, given, DAY) == 0
    assert rows(connection, "select * from evaluation.judge_selections order by 1, 2") == before

    select_calls(connection, policy(connection, policy="other", rate=0.3), DAY)
    both = count(
        connection,
        "(select call_id from evaluation.judge_selections group by 1 having count(*) = 2) as both_policies",
    )
    assert 15 < both < 65


def test_calls_of_judges_replays_and_the_quarantine_are_never_selected(connection: Connection) -> None:
    for purpose in ("product", "judge", "replay", "demo"):
        seed(connection, 5, seed=purpose, purpose=purpose)
    with connection.transaction():
        connection.execute(
            "insert into evaluation.quarantine (started_at, call_id, check_name, reason)"
            " select started_at, call_id, 'x', 'x' from raw.llm_calls where purpose = 'demo' limit 2"
        )

    assert select_calls(connection, policy(connection), DAY) == 8


def test_only_calls_of_the_scope_are_selected(connection: Connection) -> None:
    seed(connection, 5, seed="a", model="one")
    seed(connection, 7, seed="b", model="two")

    assert select_calls(connection, policy(connection, models=["two"]), DAY) == 7
    assert select_calls(connection, policy(connection, policy="none", projects=["no such"]), DAY) == 0
    assert select_calls(connection, policy(connection, policy="bare", projects=["(none)"]), DAY) == 12


def test_a_call_that_fails_a_rule_is_selected_for_certain(connection: Connection) -> None:
    seed(connection, 50)
    seed(connection, 8, seed="b", output="")
    score_window(connection, [DAY])

    select_calls(connection, policy(connection, rate=0.0), DAY)

    found = rows(
        connection, "select probability, is_failure, count(*) from evaluation.judge_selections group by 1, 2"
    )
    assert found == [(1.0, True, 8)]
    assert select_calls(connection, policy(connection, policy="quiet", rate=0.0, on_failure=False), DAY) == 0


def test_a_raised_rate_adds_calls_and_its_probability_reaches_the_judgements(connection: Connection) -> None:
    seed(connection, 200)
    select_calls(connection, policy(connection, rate=0.2), DAY)
    first = {call_id for call_id, _, _ in rows(connection, SELECTED)}
    judged = _judge_all(connection)
    connection.execute("delete from raw.dirty_hours")

    select_calls(connection, policy(connection, rate=0.5), DAY)

    second = {call_id for call_id, _, _ in rows(connection, SELECTED)}
    assert first < second
    assert {p for _, p, _ in rows(connection, SELECTED)} == {0.5}
    weights = rows(connection, "select distinct inclusion_probability from evaluation.judgements")
    assert (judged, weights) == (len(first), [(0.5,)])
    assert count(connection, "raw.dirty_hours", where="stage = 'scores'") == 1


def test_a_lowered_rate_lets_go_of_what_nobody_was_asked_about(connection: Connection) -> None:
    seed(connection, 200)
    select_calls(connection, policy(connection, rate=1.0), DAY)
    ids = [call_id for call_id, _, _ in rows(connection, SELECTED)]
    _judge_all(connection, where="call_id = any(%s)", given=[ids[:10]])
    skipped = ids[10:20]
    _judge_all(connection, where="call_id = any(%s)", given=[skipped], reason="skipped_budget")

    select_calls(connection, policy(connection, rate=0.1), DAY)

    left = {call_id: p for call_id, p, _ in rows(connection, SELECTED)}
    assert {call_id: p for call_id, p in left.items() if call_id in ids[:10]} == dict.fromkeys(ids[:10], 1.0)
    others = {call_id for call_id in ids[10:] if point(call_id) < 0.1}
    assert {call_id: p for call_id, p in left.items() if call_id not in ids[:10]} == dict.fromkeys(
        others, 0.1
    )
    kept = rows(connection, "select call_id from evaluation.judgements where unscored_reason is not null")
    assert {call_id for (call_id,) in kept} == others & set(skipped)


def test_a_stratum_is_topped_up_to_its_minimum_in_the_order_of_points(connection: Connection) -> None:
    seed(connection, 300, model="large")
    seed(connection, 40, seed="b", model="small")
    seed(connection, 3, seed="c", model="tiny")
    given = policy(connection, rate=0.1, strata=["model"], min_per_stratum=12)
    select_calls(connection, given, DAY)

    n_added = top_up(connection, given, DAY)

    by_model = "select c.call_id, requested_model, s.phase, s.probability from raw.llm_calls as c"
    found = rows(
        connection, f"{by_model} left join evaluation.judge_selections as s using (started_at, call_id)"
    )  # type: ignore[arg-type]
    chosen = {
        model: sorted(
            (point(call_id) for call_id, name, phase, _ in found if name == model and phase is not None)
        )
        for model in ("large", "small", "tiny")
    }
    points = sorted(point(call_id) for call_id, name, _, _ in found if name == "small")
    assert chosen["small"] == points[: max(12, sum(p < 0.1 for p in points))]
    assert len(chosen["tiny"]) == 3
    assert len(chosen["large"]) == sum(point(c) < 0.1 for c, name, _, _ in found if name == "large")
    assert n_added == sum(phase == 2 for _, _, phase, _ in found)
    by_stratum = {name: p for _, name, phase, p in found if phase is not None}
    assert by_stratum["small"] == pytest.approx(inclusion_probability(40, rate=0.1, needed=12))
    assert by_stratum["tiny"] == 1.0
    assert by_stratum["large"] == pytest.approx(0.1, rel=1e-3)


def test_topping_up_again_adds_none(connection: Connection) -> None:
    seed(connection, 60)
    given = policy(connection, rate=0.1, min_per_stratum=20)
    select_calls(connection, given, DAY)
    top_up(connection, given, DAY)
    before = rows(connection, SELECTED)

    assert select_calls(connection, given, DAY) == 0
    assert top_up(connection, given, DAY) == 0
    assert rows(connection, SELECTED) == before


def test_failures_count_towards_a_minimum_and_keep_probability_one(connection: Connection) -> None:
    seed(connection, 40)
    seed(connection, 15, seed="b", output="")
    score_window(connection, [DAY])
    given = policy(connection, rate=0.0, min_per_stratum=20)
    select_calls(connection, given, DAY)

    assert top_up(connection, given, DAY) == 5
    found = rows(
        connection, "select is_failure, probability, count(*) from evaluation.judge_selections group by 1, 2"
    )
    assert sorted(found) == [(False, 5 / 40, 5), (True, 1.0, 15)]


@pytest.mark.parametrize(
    ("n", "rate", "needed"), [(5, 0.3, 2), (6, 0.05, 3), (4, 0.5, 0), (3, 0.9, 3), (6, 0.0, 2)]
)
def test_the_combined_probability_is_that_of_both_phases(n: int, rate: float, needed: int) -> None:
    """All 2^n ways in which the first phase may fall out, each with what the second one adds."""
    expected = 0.0
    for taken in product((False, True), repeat=n):
        weight = 1.0
        for is_taken in taken:
            weight *= rate if is_taken else 1 - rate
        expected += weight * max(sum(taken), needed) / n
    assert inclusion_probability(n, rate=rate, needed=needed) == pytest.approx(expected, abs=1e-12)


def test_a_mean_weighted_by_it_is_unbiased_where_strata_differ() -> None:
    """A large stratum at 3 and a small one at 1: unweighted, the top-up would pull the mean down."""
    random, weighted, plain = Random(7), list[float](), list[float]()
    strata = {3.0: 500, 1.0: 25}
    for _ in range(600):
        sum_w = sum_wy = sum_y = n_sampled = 0.0
        for value, n in strata.items():
            points = sorted(random.random() for _ in range(n))
            taken = max(sum(p < 0.1 for p in points), min(n, 20))
            weight = 1 / inclusion_probability(n, rate=0.1, needed=min(n, 20))
            sum_w, sum_wy = sum_w + taken * weight, sum_wy + taken * weight * value
            sum_y, n_sampled = sum_y + taken * value, n_sampled + taken
        weighted.append(sum_wy / sum_w)
        plain.append(sum_y / n_sampled)
    truth = sum(value * n for value, n in strata.items()) / sum(strata.values())
    assert sum(weighted) / 600 == pytest.approx(truth, abs=0.005)
    assert abs(sum(plain) / 600 - truth) > 0.3


def test_a_window_of_hours_selects_no_call_beside_it(connection: Connection) -> None:
    from orchestration.windows import hour_window

    seed(connection, 10, spacing=timedelta(minutes=30))

    assert select_calls(connection, policy(connection), hour_window(DAY_START + timedelta(hours=1))) == 2


@pytest.mark.parametrize(
    "broken",
    [
        {"rate": 1.1},
        {"rate": float("nan")},
        {"strata": ["weather"]},
        {"min_per_stratum": -1},
        {"policy": "A b"},
    ],
)
def test_a_policy_that_cannot_be_says_so_in_a_line(broken: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match="policy") as raised:
        Policy(**{"policy": "default", **broken})  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


def _judge_all(
    connection: Connection,
    *,
    where: str = "true",
    given: list[object] | None = None,
    reason: str | None = None,
) -> int:
    """A judgement for every selected call."""
    with connection.transaction():
        version = connection.execute(
            "insert into evaluation.evaluator_versions (evaluator, version, kind, status) values"
            " ('tone', '1', 'judge', 'active')"
            " on conflict (evaluator, version) do update set status = 'active' returning id"
        ).fetchone()
        assert version
        return connection.execute(
            "insert into evaluation.judgements (started_at, call_id, evaluator_version_id, value,"
            " unscored_reason, judge_model, inclusion_probability, policy, is_retriable)"
            f" select started_at, call_id, {version[0]}, {'null' if reason else 4},"  # type: ignore[arg-type]
            f" {repr(reason) if reason else 'null'}, 'm', probability, policy, {bool(reason)}"
            f" from evaluation.judge_selections where {where}",
            given,
        ).rowcount
