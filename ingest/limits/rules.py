"""The limits and budgets of one snapshot, and which of them stand over a call."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from ingest.access.keys import first_of_line
from ingest.access.snapshot import BudgetRow, KeyRow, LimitRow
from ingest.limits.gcra import Draw, Kind
from ingest.limits.ledger import Spend, account_of, period_end, pico
from ingest.limits.subjects import Subjects, network_of, tag
from ingest.proxy.ports import Caller

EVERY = "*"


class Rules:
    """A rule for one subject stands in for the rule for every one (`*`) of its scope and period."""

    def __init__(
        self,
        *,
        limits: Iterable[LimitRow] = (),
        budgets: Iterable[BudgetRow] = (),
        keys: Iterable[KeyRow] = (),
        shares: int = 1,
    ) -> None:
        """`shares` is how many processes count the same rules by themselves: each holds to its part."""
        self._limits = {(row.scope, row.subject): _part_of_limit(row, shares) for row in limits}
        self._budgets = {
            (row.scope, row.subject, row.period): replace(row, limit_usd=row.limit_usd / shares)
            for row in budgets
        }
        self._first = first_of_line(keys)

    @property
    def has_limits(self) -> bool:
        return bool(self._limits)

    @property
    def has_budgets(self) -> bool:
        return bool(self._budgets)

    @property
    def is_empty(self) -> bool:
        return not (self._limits or self._budgets)

    def subjects(self, caller: Caller, *, user_id: str | None, project: str | None) -> Subjects:
        """Whom a call is counted against. A key that replaced another counts as the first of its line."""
        key_id = caller.key_id
        found = {
            "key": key_id if key_id is None else self._first.get(key_id, key_id),
            "user": user_id,
            "ip": network_of(caller.address),
            "project": caller.project or project,
        }
        return {scope: subject for scope, subject in found.items() if subject}

    def draws(self, subjects: Subjects, *, tokens: int) -> tuple[Draw, ...]:
        """One request, and these tokens, out of each bucket that stands over the call."""
        found: list[Draw] = []
        for scope, subject in subjects.items():
            row = self._limits.get((scope, subject)) or self._limits.get((scope, EVERY))
            if row is None:
                continue
            whose = f"{scope}:{tag(subject)}"
            asked: tuple[tuple[Kind, int | None, int], ...] = (
                ("requests", row.requests_per_minute, 1),
                ("tokens", row.tokens_per_minute, tokens),
            )
            found += [
                Draw(f"{kind}:{whose}", scope, kind, limit, units) for kind, limit, units in asked if limit
            ]
        return tuple(found)

    def budgets_over(self, subjects: Subjects) -> Sequence[tuple[BudgetRow, str | None]]:
        """The budgets over a call, each with the subject's tag where it binds each one by itself."""
        found: list[tuple[BudgetRow, str | None]] = []
        for scope, subject in subjects.items():
            for period in ("day", "month"):
                if row := self._budgets.get((scope, subject, period)):
                    found.append((row, None))
                elif row := self._budgets.get((scope, EVERY, period)):
                    found.append((row, tag(subject)))
        return found


def _part_of_limit(row: LimitRow, shares: int) -> LimitRow:
    given = row.requests_per_minute, row.tokens_per_minute
    requests, tokens = (limit and max(limit // shares, 1) for limit in given)
    return replace(row, requests_per_minute=requests, tokens_per_minute=tokens)


def spends(
    budgets: Sequence[tuple[BudgetRow, str | None]], *, amount: int, at: datetime
) -> tuple[Spend, ...]:
    """What a call of `amount` pico-USD takes out of each budget in the period of `at`."""
    return tuple(
        Spend(
            account=account_of(row.budget_id, period=row.period, at=at, subject_tag=subject_tag),
            scope=row.scope,
            period=row.period,
            limit=pico(row.limit_usd),
            amount=amount,
            resets_at=period_end(row.period, at=at),
        )
        for row, subject_tag in budgets
    )
