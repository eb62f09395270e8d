"""Leave for a call: within its limits, and paid for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from evaluators.pricing.book import PriceBook
from ingest.access.snapshot import BudgetRow
from ingest.limits.answers import limit_headers, too_dear, too_fast, unpriced, unreachable
from ingest.limits.ceiling import ceiling_usd
from ingest.limits.estimate import Estimate, estimate, tokens_used
from ingest.limits.gcra import Denied
from ingest.limits.journal import grant_said
from ingest.limits.ledger import Overdrawn, Spend, dollars, pico
from ingest.limits.meter import Meter, Taken, Unreachable
from ingest.limits.rules import Rules, spends
from ingest.providers.base import Prepared, Reading
from ingest.proxy.http import Headers
from ingest.proxy.ports import Caller, Grant, Plan, Refusal
from ingest.proxy.surroundings import FreeGrant

_FREE = FreeGrant()


class MeteredAdmission:
    """Holds callers to the limits and budgets of the newest snapshot; callers without any pass at once."""

    def __init__(
        self,
        meter: Meter,
        *,
        book: Callable[[str, str], PriceBook],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._meter = meter
        self._book = book
        self._now = now
        self._rules = Rules()

    def replace(self, rules: Rules) -> None:
        """These rules hold from the next call on."""
        self._rules = rules

    async def admit(
        self, *, caller: Caller, plan: Plan, prepared: Prepared, user_id: str | None, project: str | None
    ) -> Grant | Refusal:
        rules = self._rules
        if rules.is_empty:
            return _FREE
        subjects = rules.subjects(caller, user_id=user_id, project=project)
        expected = estimate(prepared)
        draws = rules.draws(subjects, tokens=expected.likely_tokens)
        over, at = rules.budgets_over(subjects), self._now()
        if not draws and not over:
            return _FREE
        asked = self._asked(over, plan=plan, prepared=prepared, expected=expected, at=at) if over else ()
        if asked is None:
            return unpriced(prepared.requested_model)
        taken = await self._meter.take(draws, asked)
        if isinstance(taken, Taken):
            return _MeteredGrant(self._meter, taken, prepared.path, plan.candidates[0][0])
        return _refusal(taken, at=at)

    async def admit_delivery(self, *, caller: Caller) -> Refusal | None:
        """Calls handed in count against the limits of requests; what they cost was spent elsewhere."""
        rules = self._rules
        if rules.is_empty:
            return None
        subjects = rules.subjects(caller, user_id=None, project=None)
        draws = tuple(draw for draw in rules.draws(subjects, tokens=0) if draw.kind == "requests")
        if not draws:
            return None
        taken = await self._meter.take(draws, ())
        return None if isinstance(taken, Taken) else _refusal(taken, at=self._now())

    def _asked(
        self,
        over: Sequence[tuple[BudgetRow, str | None]],
        *,
        plan: Plan,
        prepared: Prepared,
        expected: Estimate,
        at: datetime,
    ) -> tuple[Spend, ...] | None:
        """What to reserve: the dearest target the call may come to; None where one of them has no price."""
        most = Decimal(0)
        for provider, model in dict.fromkeys(plan.candidates):
            name = model or prepared.requested_model
            price = ceiling_usd(
                prepared.body,
                expected=expected,
                provider=provider,
                model=name,
                at=at,
                book=self._book(provider, name),
            )
            if price is None:
                return None
            most = max(most, price)
        return spends(over, amount=pico(most), at=at)


def _refusal(why: Denied | Overdrawn | Unreachable, *, at: datetime) -> Refusal:
    match why:
        case Denied():
            return too_fast(why)
        case Overdrawn():
            return too_dear(why, at=at)
        case Unreachable():
            return unreachable(why.message)


@dataclass(frozen=True, slots=True)
class _MeteredGrant:
    """What was taken for one call, until it is settled; once, as the meter sees to it."""

    meter: Meter
    taken: Taken
    path: str
    provider: str

    @property
    def headers(self) -> Headers:
        return limit_headers(self.taken.levels)

    @property
    def reserved(self) -> dict[str, str]:
        return self._said(self._most)

    def settle(
        self,
        reading: Reading | None,
        *,
        cost_usd: Decimal | None,
        is_failure: bool,
        failed_usd: Decimal = Decimal(0),
    ) -> dict[str, str]:
        """What cannot be told stays as it was reserved, but for a provider that failed; what failed attempts
        cost comes on top."""
        usage = None if reading is None else reading.usage
        tokens = tokens_used(usage, provider=self.provider, path=self.path)
        if tokens is None and is_failure:
            tokens = 0
        amount = self._amount(cost_usd, is_failure=is_failure) + pico(failed_usd)
        self.meter.settle(self.taken, tokens=tokens, amount=amount)
        return self._said(amount)

    def release(self) -> None:
        self.meter.settle(self.taken, tokens=0, amount=0)

    def _amount(self, cost_usd: Decimal | None, *, is_failure: bool) -> int:
        if cost_usd is not None and cost_usd.is_finite() and cost_usd >= 0:
            return pico(cost_usd)
        if is_failure:
            return 0
        return self._most

    @property
    def _most(self) -> int:
        """Pico-USD reserved: the same in every budget."""
        return self.taken.spends[0].amount if self.taken.spends else 0

    def _said(self, amount: int) -> dict[str, str]:
        taken = self.taken
        if not taken.spends or taken.number is None:
            return {}
        usd = dollars(amount)
        return grant_said(taken.epoch, taken.number, {spend.account: usd for spend in taken.spends})
