"""Which target a call goes to, and where it goes on, told by the router alone."""

from collections import Counter
from pathlib import Path

import pytest

from ingest.access.plans import AliasPlan
from ingest.access.router import ModelRouter
from ingest.access.secrets import Secrets
from ingest.access.snapshot import ModelRow, Snapshot
from ingest.providers.base import Prepared, Reading
from ingest.providers.openai import openai_provider
from ingest.proxy.ports import Caller, Failure, Plan, Refusal, Target

PROVIDER = openai_provider()
OURS = Caller(key_id="k", forwards_key=False, is_trusted=True)
LOCAL = Caller(forwards_key=True, is_trusted=True)
DOWN = Failure(status=503, error_type="http_503")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def row(position: int = 1, **given: object) -> ModelRow:
    fields = {
        "alias": "fast",
        "position": position,
        "tier": position,
        "provider": "openai",
        "wire": "openai",
        "model": f"m-{position}",
        "base_url": f"http://host-{position}/v1",
    }
    return ModelRow(**(fields | given))  # pyright: ignore[reportArgumentType]


def router(*rows: ModelRow, clock: Clock | None = None) -> ModelRouter:
    made = ModelRouter(secrets=Secrets(), clock=clock or Clock())
    made.replace(made.rows_of(Snapshot(models=rows)))
    return made


def plan(tested: ModelRouter, *, caller: Caller = OURS, model: str = "fast") -> Plan:
    given = asked(tested, caller=caller, model=model)
    assert not isinstance(given, Refusal), given
    return given


def asked(tested: ModelRouter, *, caller: Caller = OURS, model: str = "fast") -> Plan | Refusal:
    return tested.plan(caller=caller, provider=PROVIDER, prepared=Prepared(body=b"", requested_model=model))


def fail(tested: ModelRouter, failure: Failure = DOWN, *, caller: Caller = OURS) -> list[str]:
    """Let a call fail everywhere it goes; the targets it went to."""
    made, names = plan(tested, caller=caller), list[str]()
    target: Target | None = made.first()
    while target is not None:
        names.append(target.name)
        target = made.after(target, failure)
    return names


def test_fallback_goes_tier_by_tier_and_ends_with_the_last() -> None:
    assert fail(router(row(2), row(3), row(1))) == ["fast/1", "fast/2", "fast/3"]


def test_weights_share_a_tier() -> None:
    tested = router(row(1, tier=1, weight=3), row(2, tier=1, weight=1), row(3, tier=2, weight=100))
    first = Counter(plan(tested).first().name for _ in range(4000))
    assert set(first) == {"fast/1", "fast/2"}
    assert 0.70 < first["fast/1"] / 4000 < 0.80


def test_an_unknown_model_passes_through_with_the_clients_key_or_is_a_404() -> None:
    tested = router(row())
    straight = plan(tested, caller=LOCAL, model="gpt-4o")
    target = straight.first()
    assert (straight.model, target.name, target.model, target.secret_header) == (
        "other",
        "openai",
        None,
        None,
    )
    assert target.base_url == PROVIDER.base_url
    refused = asked(tested, model="gpt-4o")
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.kind) == (404, "model_not_found")


def test_a_key_uses_and_sees_only_its_models() -> None:
    tested = router(row(), row(alias="slow"))
    caller = Caller(forwards_key=False, allowed_models=frozenset({"slow"}))
    assert isinstance(asked(tested, caller=caller), Refusal)
    assert plan(tested, caller=caller, model="slow").model == "slow"
    assert tested.models(caller=caller, provider=PROVIDER) == ["slow"]
    assert tested.models(caller=LOCAL, provider=PROVIDER) is None


def test_a_disabled_target_is_passed_over() -> None:
    assert fail(router(row(1, is_enabled=False), row(2))) == ["fast/2"]


def test_a_missing_secret_makes_a_target_unavailable_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    path = tmp_path / "key"
    tested = router(row(1, secret_ref="env:NO_SUCH_KEY"), row(2, secret_ref=f"file:{path}"))
    refused = asked(tested)
    assert isinstance(refused, Refusal)
    assert refused.status == 503
    assert "fast/1: the environment variable NO_SUCH_KEY is not set" in refused.message
    assert "fast/2: its secret file cannot be read (No such file or directory)" in refused.message
    path.write_text("sk-of-a-file\n")
    tested.refresh_secrets()
    assert plan(tested).first().secret_header == ("authorization", "Bearer sk-of-a-file")
    path.write_text("sk-rotated\n")
    tested.refresh_secrets()
    assert plan(tested).first().secret_header == ("authorization", "Bearer sk-rotated")
    path.write_text("two\nlines\n")
    tested.refresh_secrets()
    assert isinstance(asked(tested), Refusal)
    assert "sk-" not in repr(tested.stats())


def test_our_secret_serves_no_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", "sk-ours")
    tested = router(row(secret_ref="env:OUR_KEY"))
    stranger = Caller(forwards_key=True, address="192.0.2.7")
    refused = asked(tested, caller=stranger)
    assert isinstance(refused, Refusal)
    assert "serves only callers with a key of this proxy (LQO_AUTH=keys)" in refused.message
    assert plan(tested, caller=LOCAL).first().secret_header == ("authorization", "Bearer sk-ours")


def test_an_open_target_is_passed_over_and_probed_by_one_call() -> None:
    clock = Clock()
    tested = router(row(1), row(2), clock=clock)
    for _ in range(10):
        made = plan(tested)
        following = made.after(made.first(), DOWN)
        assert following is not None
        made.answered(following, status=200)
    assert [stats.state for stats in tested.stats()] == ["open", "closed"]
    assert plan(tested).first().name == "fast/2"
    clock.now += 6.1
    probe = plan(tested)
    assert probe.first().name == "fast/1"
    assert plan(tested).first().name == "fast/2"
    probe.abandoned()
    again = plan(tested)
    assert again.first().name == "fast/1"
    again.answered(again.first(), status=200)
    assert [stats.state for stats in tested.stats()] == ["closed", "closed"]


def test_the_last_candidate_always_gets_its_call() -> None:
    tested = router(row(1), row(2))
    for _ in range(100):
        assert fail(tested)
    states = Counter(stats.state for stats in tested.stats())
    assert states == {"open": 1, "closed": 1}


def test_failures_too_rare_for_the_breaker_are_held_by_the_retry_budget() -> None:
    tested = router(row(1), row(2))
    n_retried = 0
    for number in range(200):
        made = plan(tested)
        target = made.first()
        assert target.name == "fast/1"
        if number % 10 in (3, 6, 9):
            n_retried += made.after(target, DOWN) is not None
            made.abandoned()
        else:
            made.answered(target, status=200)
    assert 15 <= n_retried <= 20, "60 calls failed"


def test_a_clients_own_rate_limit_stops_nobody_else() -> None:
    tested = router(row(1), row(2))
    throttled = Failure(status=429, error_type="http_429", retry_after_seconds=60.0)
    caller = Caller(forwards_key=True, address="192.0.2.7")
    for _ in range(20):
        fail(tested, throttled, caller=caller)
    assert {stats.state for stats in tested.stats()} == {"closed"}
    fail(tested, throttled)
    assert [stats.state for stats in tested.stats()] == ["open", "closed"]


def test_a_change_of_one_target_forgets_nothing_of_the_others() -> None:
    tested = router(row(1), row(2))
    for _ in range(20):
        fail(tested)
    tested.replace((row(1, weight=7), row(2, model="another"), row(3)))
    attempts = {stats.name: sum(stats.attempts.values()) for stats in tested.stats()}
    assert attempts == {"fast/1": 10, "fast/2": 0, "fast/3": 0}


def test_a_running_call_keeps_its_plan_when_the_table_changes() -> None:
    tested = router(row(1), row(2))
    made = plan(tested)
    made.first()
    tested.replace(())
    following = made.after(made.first(), DOWN)
    assert following is not None
    assert following.name == "fast/2"
    assert isinstance(asked(tested), Refusal)


def test_a_targets_own_limits_send_calls_on_and_then_are_a_429() -> None:
    clock = Clock()
    tested = router(row(1, max_requests_per_minute=2), row(2, max_tokens_per_minute=100), clock=clock)
    assert [plan(tested).first().name for _ in range(3)] == ["fast/1", "fast/1", "fast/2"]
    made = plan(tested)
    target = made.first()
    made.answered(target, status=200)
    usage = {"prompt_tokens": 90, "completion_tokens": 10, "total_tokens": 100}
    made.ended(target, reading=Reading(usage=usage), failure=None)
    refused = asked(tested)
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.kind) == (429, "rate_limit_exceeded")
    clock.now += 62
    assert plan(tested).first().name == "fast/1"


def test_an_alias_of_another_protocol_is_not_found_at_this_path() -> None:
    refused = asked(router(row(wire="anthropic", provider="anthropic")))
    assert isinstance(refused, Refusal)
    assert refused.status == 404
    assert "speaks the anthropic protocol" in refused.message


def test_attempts_are_counted_by_what_became_of_them() -> None:
    tested = router(row(1), row(2))
    for failure in (DOWN, Failure(None, "upstream_error"), Failure(None, "upstream_timeout")):
        made = plan(tested)
        following = made.after(made.first(), failure)
        assert following is not None
        made.answered(following, status=400)
        made.ended(following, reading=None, failure=None)
    made = plan(tested)
    made.answered(target := made.first(), status=200)
    made.ended(target, reading=None, failure=Failure(None, "upstream_error"))
    first, second = tested.stats()
    assert first.attempts == {
        "server_error": 1,
        "unreachable": 1,
        "timeout": 1,
        "broke_off": 1,
    }
    assert (first.fallbacks, second.attempts) == (3, {"refused": 3})


def test_a_plan_reports_each_target_once() -> None:
    tested = router(row(1), row(2))
    made = plan(tested)
    assert isinstance(made, AliasPlan)
    assert made.first() is made.first()
    assert made.after(made.first(), DOWN) is not None
    made.abandoned()
    assert made.after(made.first(), DOWN) is None
