"""Budgets inside one process: what is spent, what is reserved, and never more than the limit of both.

Amounts are whole pico-USD (10^-12): what a charge is rounded to, so that the ledger's sums are those of the
charges. What is finer is rounded up: an estimate is never too low.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

import msgspec

PLACES = 12
Amounts = dict[str, int]
"""Account to pico-USD."""


class Spend(msgspec.Struct, frozen=True, gc=False):
    """What one call may take out of one budget in its present period.

    `account` is budget, period and, where the budget binds each one by itself, the subject:
    `ID@2026-11-03` or `ID@2026-11#TAG`.
    """

    account: str
    scope: str
    period: str
    limit: int
    amount: int
    resets_at: int
    """Unix seconds at which the period ends."""


class Overdrawn(msgspec.Struct, frozen=True, gc=False):
    """Which budget was too small, and what of it is left (pico-USD)."""

    spend: Spend
    left: int


class State(msgspec.Struct):
    """What a ledger must remember over a restart: `epoch` is the run's id, `next_grant` the number the next
    reservation gets, `open` the reservations that no call has settled yet. `places` is of the amounts: files
    that do not say it are of before there were 12, and have 9."""

    epoch: str
    next_grant: int = 0
    spent: dict[str, int] = {}
    open: dict[int, dict[str, int]] = {}
    places: int = 9


class Ledger:
    """Accounts of one run. All methods run on the event loop, so none sees another half done."""

    def __init__(self, *, epoch: str, spent: Mapping[str, int] | None = None) -> None:
        self.epoch = epoch
        self._next = 0
        self._spent: Amounts = dict(spent or {})
        self._held: Amounts = {}
        self._open: dict[int, Amounts] = {}

    def reserve(self, spends: Sequence[Spend]) -> int | Overdrawn:
        """Hold all amounts, or none of them; the reservation's number, or the first budget in the way."""
        for spend in spends:
            left = spend.limit - self.committed(spend.account)
            if spend.amount > left or left <= 0:
                return Overdrawn(spend, max(left, 0))
        number, self._next = self._next, self._next + 1
        self._open[number] = {spend.account: spend.amount for spend in spends}
        for spend in spends:
            self._held[spend.account] = self._held.get(spend.account, 0) + spend.amount
        return number

    def settle(self, number: int, *, amount: int) -> Amounts:
        """End a reservation: this was spent in each of its accounts. An unknown number changes nothing."""
        accounts = self._open.pop(number, {})
        for account, reserved in accounts.items():
            held = self._held[account] - reserved
            if held:
                self._held[account] = held
            else:
                del self._held[account]
            if amount:
                self._spent[account] = self._spent.get(account, 0) + amount
        return dict.fromkeys(accounts, amount)

    def learn(self, account: str, committed: int) -> None:
        """Somebody who knows better says how much of an account is gone, our own reservations included."""
        self._spent[account] = max(committed - self._held.get(account, 0), 0)

    def committed(self, account: str) -> int:
        """Spent and reserved, in pico-USD."""
        return self._spent.get(account, 0) + self._held.get(account, 0)

    def state(self) -> State:
        """A copy of everything as of now."""
        held = {number: dict(accounts) for number, accounts in self._open.items()}
        return State(
            epoch=self.epoch, next_grant=self._next, spent=dict(self._spent), open=held, places=PLACES
        )

    def forget_before(self, day: str) -> None:
        """Drop accounts of periods that ended before `day` (ISO)."""
        over = [account for account in self._spent if period_of(account) < day[: len(period_of(account))]]
        for account in over:
            del self._spent[account]


def in_places(state: State) -> State:
    """The state with its amounts in pico-USD."""
    if state.places == PLACES:
        return state
    factor = 10 ** (PLACES - state.places)
    spent = {account: amount * factor for account, amount in state.spent.items()}
    held = {
        number: {account: amount * factor for account, amount in accounts.items()}
        for number, accounts in state.open.items()
    }
    return State(epoch=state.epoch, next_grant=state.next_grant, spent=spent, open=held, places=PLACES)


def account_of(budget_id: str, *, period: str, at: datetime, subject_tag: str | None) -> str:
    """The account a call of that time counts against; days and months are UTC."""
    stamp = at.astimezone(UTC).strftime("%Y-%m-%d" if period == "day" else "%Y-%m")
    return f"{budget_id}@{stamp}" + (f"#{subject_tag}" if subject_tag else "")


def period_of(account: str) -> str:
    """`2026-11-03` or `2026-11`; empty for what is no account."""
    return account.rpartition("#")[0].rpartition("@")[2] if "#" in account else account.rpartition("@")[2]


def period_end(period: str, *, at: datetime) -> int:
    """Unix seconds at which the UTC day or month of `at` ends."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return int(day.timestamp()) + 86_400
    is_december = day.month == 12
    following = day.replace(year=day.year + is_december, month=1 if is_december else day.month + 1, day=1)
    return int(following.timestamp())


def pico(amount_usd: Decimal) -> int:
    """USD as pico-USD, rounded up."""
    return int(amount_usd.scaleb(PLACES).to_integral_value(rounding=ROUND_CEILING))


def usd(amount: int) -> Decimal:
    """Pico-USD as USD, exactly."""
    return Decimal(amount).scaleb(-PLACES)


def dollars(amount: int) -> str:
    """Pico-USD as decimal text, without an exponent."""
    whole, rest = divmod(amount, 10**PLACES)
    return f"{whole}.{rest:0{PLACES}d}".rstrip("0").rstrip(".") if rest else str(whole)
