"""Which calls are let through, for whom, and what they are told."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from evaluators.pricing.book import PriceBook
from evaluators.pricing.rows import PriceRow
from ingest.access.snapshot import BudgetRow, KeyRow, LimitRow
from ingest.limits.admission import MeteredAdmission
from ingest.limits.gcra import Buckets
from ingest.limits.journal import GRANT
from ingest.limits.ledger import Ledger
from ingest.limits.meter import LocalMeter
from ingest.limits.rules import Rules
from ingest.providers.base import Prepared, Reading
from ingest.proxy.ports import Caller, Grant, Refusal, Target
from ingest.proxy.surroundings import OnlyTarget

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
CALLER = Caller(key_id="k", address="10.0.0.1", is_trusted=True, forwards_key=False)
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def price(model: str, bucket: str, usd_per_token: str) -> PriceRow:
    return PriceRow(
        model=model,
        provider=None,
        bucket=bucket,
        usd_per_million=Decimal(usd_per_token) * 10**6,
        valid_from=datetime(2020, 1, 1, tzinfo=UTC),
        recorded_at=datetime(2020, 1, 1, tzinfo=UTC),
        source="test",
    )


BOOK = PriceBook(
    [
        price("m", "input_uncached", "0.0001"),
        price("m", "output_text", "0.001"),
        price("dear", "input_uncached", "0.001"),
        price("dear", "output_text", "0.01"),
        price("embedder", "input_uncached", "0.0001"),
    ]
)


class Gate:
    """An admission under rules, with a clock that stands still."""

    def __init__(self, *rows: LimitRow | BudgetRow, keys: tuple[KeyRow, ...] = ()) -> None:
        self.clock = 10**12
        self.ledger = Ledger(epoch="e")
        meter = LocalMeter(self.ledger, buckets=Buckets(clock_ns=lambda: self.clock))
        self.now = NOW
        self.admission = MeteredAdmission(meter, book=lambda provider, model: BOOK, now=lambda: self.now)
        limits = [row for row in rows if isinstance(row, LimitRow)]
        budgets = [row for row in rows if isinstance(row, BudgetRow)]
        self.admission.replace(Rules(limits=limits, budgets=budgets, keys=keys))

    async def ask(
        self,
        model: str = "m",
        *,
        caller: Caller = CALLER,
        user: str | None = None,
        project: str | None = None,
        limit: int | None = 100,
        body: bytes = b"x" * 30,
        candidates: tuple[tuple[str, str | None], ...] | None = None,
        path: str = "/chat/completions",
    ) -> Grant | Refusal:
        plan = OnlyTarget(Target(name="t", provider="openai", base_url="http://x"))
        if candidates is not None:
            plan = _Several(candidates)
        prepared = Prepared(body=body, path=path, requested_model=model, output_limit=limit)
        return await self.admission.admit(
            caller=caller, plan=plan, prepared=prepared, user_id=user, project=project
        )

    async def granted(self, model: str = "m", **given: Any) -> Grant:
        answer = await self.ask(model, **given)
        assert not isinstance(answer, Refusal), answer
        return answer

    async def refused(self, model: str = "m", **given: Any) -> Refusal:
        answer = await self.ask(model, **given)
        assert isinstance(answer, Refusal)
        return answer


class _Several(OnlyTarget):
    """A plan that may come to several targets."""

    def __init__(self, candidates: tuple[tuple[str, str | None], ...]) -> None:
        super().__init__(Target(name="t", provider="openai", base_url="http://x"))
        object.__setattr__(self, "_candidates", candidates)

    __slots__ = ("_candidates",)

    @property
    def candidates(self) -> tuple[tuple[str, str | None], ...]:
        return self._candidates


def limit(scope: Any, subject: str, *, requests: int | None = None, tokens: int | None = None) -> LimitRow:
    return LimitRow(scope=scope, subject=subject, requests_per_minute=requests, tokens_per_minute=tokens)


def budget(scope: Any, subject: str, usd: str, *, period: Any = "month") -> BudgetRow:
    name = f"{scope}-{period}"
    return BudgetRow(budget_id=name, scope=scope, subject=subject, period=period, limit_usd=Decimal(usd))


def headers(answer: Grant | Refusal) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in answer.headers}


def key(key_id: str, *, replaced_by: str | None = None) -> KeyRow:
    return KeyRow(
        key_id=key_id,
        prefix="lqo_",
        secret_hash=key_id.encode(),
        owner="o",
        created_at=NOW,
        replaced_by=replaced_by,
    )


async def test_a_delivery_counts_as_a_request_and_never_against_tokens_or_a_budget() -> None:
    gate = Gate(limit("key", "k", requests=2, tokens=1), budget("key", "k", "0.000001"))

    answers = [await gate.admission.admit_delivery(caller=CALLER) for _ in range(3)]

    assert answers[:2] == [None, None]
    assert answers[2] is not None
    assert (answers[2].status, answers[2].kind) == (429, "rate_limit_exceeded")
    assert "retry-after" in headers(answers[2])


async def test_a_delivery_without_a_limit_of_requests_is_let_through() -> None:
    gate = Gate(limit("key", "k", tokens=1))
    assert [await gate.admission.admit_delivery(caller=CALLER) for _ in range(3)] == [None] * 3


async def test_a_caller_without_rules_is_not_counted() -> None:
    gate = Gate(limit("user", "김철수", requests=1))
    assert (await gate.granted(user="이영희")).headers == ()
    assert (await gate.granted()).reserved == {}


@pytest.mark.parametrize("user", ["김철수", "🎈🎉", "x" * 1024, "*", "a b", "'; drop", "\udcff"])
async def test_each_user_has_a_limit_of_its_own(user: str) -> None:
    gate = Gate(limit("user", "*", requests=1))
    await gate.granted(user=user)
    assert (await gate.refused(user=user)).status == 429
    await gate.granted(user=user + "2")


async def test_a_limit_of_ones_own_stands_in_for_everybodys() -> None:
    gate = Gate(limit("user", "*", requests=1), limit("user", "big", requests=3))
    for _ in range(3):
        await gate.granted(user="big")
    await gate.refused(user="big")


@pytest.mark.parametrize("scope", ["key", "user", "ip", "project"])
async def test_every_scope_is_counted(scope: str) -> None:
    gate = Gate(limit(scope, "*", requests=1))
    await gate.granted(user="u", project="p")
    refused = await gate.refused(user="u", project="p")
    assert refused.kind == "rate_limit_exceeded"
    assert f"this {scope} " in refused.message


async def test_the_project_of_the_key_goes_before_the_clients_word() -> None:
    gate = Gate(limit("project", "ours", requests=1))
    caller = replace(CALLER, project="ours")
    await gate.granted(caller=caller, project="other")
    await gate.refused(caller=caller, project="another")


async def test_a_rotated_key_keeps_the_limits_and_budgets_of_its_line() -> None:
    keys = (key("k", replaced_by="k2"), key("k2", replaced_by="k3"), key("k3"))
    gate = Gate(limit("key", "k", requests=2), budget("key", "k", "100"), keys=keys)
    for key_id in ("k", "k3"):
        await gate.granted(caller=replace(CALLER, key_id=key_id))
    await gate.refused(caller=replace(CALLER, key_id="k2"))
    assert len(gate.ledger.state().open) == 2


async def test_the_headers_are_openais() -> None:
    gate = Gate(limit("key", "*", requests=60, tokens=1000), limit("user", "*", requests=600))
    assert headers(await gate.granted(user="u", limit=90)) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "900",
        "x-ratelimit-reset-tokens": "6s",
    }


async def test_a_refused_call_is_told_when_to_come_again() -> None:
    gate = Gate(limit("key", "*", requests=2))
    for _ in range(2):
        await gate.granted()
    refused = await gate.refused()
    assert headers(refused)["retry-after"] == "30"
    assert headers(refused)["x-ratelimit-remaining-requests"] == "0"
    gate.clock += 30 * 10**9
    await gate.granted()


async def test_unused_tokens_come_back_and_failed_calls_use_none() -> None:
    gate = Gate(limit("key", "*", tokens=1000))
    (await gate.granted(limit=900)).settle(Reading(usage=USAGE), cost_usd=None, is_failure=False)
    assert headers(await gate.granted(limit=0))["x-ratelimit-remaining-tokens"] == "975"
    (await gate.granted(limit=900)).settle(None, cost_usd=None, is_failure=True)
    (await gate.granted(limit=900)).release()
    await gate.granted(limit=900)


@pytest.mark.parametrize("n", [20, 200])
async def test_many_calls_at_once_on_a_budget_for_one_make_one(n: int) -> None:
    cost = Decimal("0.0001") * 10 + Decimal("0.001") * 100
    gate = Gate(budget("key", "*", str(cost)))
    answers = await asyncio.gather(*(gate.ask() for _ in range(n)))
    granted = [each for each in answers if not isinstance(each, Refusal)]
    assert len(granted) == 1
    granted[0].settle(Reading(usage=USAGE), cost_usd=cost, is_failure=False)
    refused = await gate.refused()
    assert (refused.status, refused.kind) == (429, "budget_exceeded")
    assert sum(gate.ledger.state().spent.values()) == cost * 10**12


async def test_a_refusal_for_money_says_what_is_left_and_until_when() -> None:
    gate = Gate(budget("project", "p", "0.05", period="day"))
    refused = await gate.refused(project="p")
    assert "$0.05 left of its budget of $0.05 a day" in refused.message
    assert "up to $0.101" in refused.message
    assert "2026-11-04T00:00:00Z" in refused.message
    assert headers(refused)["retry-after"] == str(12 * 3600)
    assert headers(refused)["x-should-retry"] == "false"


async def test_what_a_call_cost_is_spent_and_the_rest_comes_back() -> None:
    gate = Gate(budget("key", "*", "1"))
    grant = await gate.granted()
    ((account, amount),) = ((k, v) for k, v in grant.reserved.items() if k != GRANT)
    assert account.startswith("key-month@2026-11#")
    assert amount == "0.101"
    spent = grant.settle(Reading(usage=USAGE), cost_usd=Decimal("0.006"), is_failure=False)
    assert spent == {GRANT: grant.reserved[GRANT], account: "0.006"}
    assert gate.ledger.committed(account) == 6 * 10**9


@pytest.mark.parametrize("cost", [None, Decimal("NaN"), Decimal("-5"), Decimal("Infinity")])
async def test_a_cost_nobody_can_tell_is_what_was_reserved(cost: Decimal | None) -> None:
    gate = Gate(budget("key", "*", "1"))
    negative = {"prompt_tokens": -10, "completion_tokens": float("nan")}
    spent = (await gate.granted()).settle(Reading(usage=negative), cost_usd=cost, is_failure=False)
    assert set(spent.values()) >= {"0.101"}


async def test_a_call_the_provider_refused_costs_nothing() -> None:
    gate = Gate(budget("key", "*", "0.101"))
    for _ in range(5):
        (await gate.granted()).settle(None, cost_usd=None, is_failure=True)
    (await gate.granted()).release()
    await gate.granted()


@pytest.mark.parametrize(
    ("cost", "is_failure", "spent"),
    [(Decimal("0.006"), False, "0.0065"), (None, True, "0.0005"), (None, False, "0.1015")],
)
async def test_what_attempts_before_the_answer_cost_is_spent_on_top(
    cost: Decimal | None, *, is_failure: bool, spent: str
) -> None:
    grant = await (gate := Gate(budget("key", "*", "1"))).granted()
    said = grant.settle(
        Reading(usage=USAGE), cost_usd=cost, is_failure=is_failure, failed_usd=Decimal("0.0005")
    )
    ((account, amount),) = ((k, v) for k, v in said.items() if k != GRANT)
    assert amount == spent
    assert gate.ledger.committed(account) == Decimal(spent) * 10**12


async def test_a_model_without_a_price_is_refused_to_a_budget_and_to_nobody_else() -> None:
    gate = Gate(budget("user", "*", "1000"))
    refused = await gate.refused("unheard-of", user="u")
    assert (refused.status, refused.kind) == (403, "model_not_priced")
    await gate.granted("unheard-of")
    await gate.refused("embedder", user="u")
    await gate.granted("embedder", user="u", path="/embeddings")


async def test_the_dearest_target_of_a_fallback_is_reserved() -> None:
    gate = Gate(budget("key", "*", "100"))
    several = (("openai", "m"), ("openai", "dear"))
    for candidates in (several, several[::-1]):
        assert "1.01" in (await gate.granted("alias", candidates=candidates)).reserved.values()
    priceless = (("openai", "m"), ("openai", "unheard-of"))
    assert (await gate.refused("alias", candidates=priceless)).kind == "model_not_priced"


async def test_a_day_and_a_month_both_hold() -> None:
    gate = Gate(budget("key", "*", "0.15", period="day"), budget("key", "*", "10"))
    grant = await gate.granted()
    assert len(grant.reserved) == 3
    assert "a day" in (await gate.refused()).message


async def test_a_tier_without_a_price_is_refused_to_a_budget() -> None:
    gate = Gate(budget("key", "*", "100"))
    body = b'{"service_tier": "priority"}'
    assert (await gate.refused(body=body)).kind == "model_not_priced"


async def test_workers_that_count_alone_hold_to_their_part() -> None:
    rows = [limit("key", "*", requests=10), limit("user", "*", requests=1)]
    rules = Rules(limits=rows, budgets=[budget("key", "*", "9")], keys=(), shares=3)
    subjects = {"key": "k", "user": "u"}
    assert [draw.limit for draw in rules.draws(subjects, tokens=1)] == [3, 1]
    assert [row.limit_usd for row, _ in rules.budgets_over(subjects)] == [3]


async def test_a_new_month_is_a_new_budget_and_a_clock_set_back_is_the_old_one() -> None:
    gate = Gate(budget("key", "*", "0.15"))
    gate.now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    await gate.granted()
    await gate.refused()
    gate.now = datetime(2027, 1, 1, tzinfo=UTC)
    await gate.granted()
    await gate.refused()
    gate.now = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)
    await gate.refused()
