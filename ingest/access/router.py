"""Where a call goes: the targets of its alias, or straight to its provider."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.access.breaker import RetryBudget
from ingest.access.plans import AliasPlan, Clock, StraightPlan, in_order
from ingest.access.secrets import Secrets
from ingest.access.snapshot import ModelRow, Snapshot
from ingest.access.targets import TargetState, TargetStats
from ingest.providers.base import Prepared, Provider
from ingest.proxy.ports import Caller, Plan, Refusal, Target


@dataclass(frozen=True, slots=True)
class _Alias:
    wire: str
    targets: tuple[TargetState, ...]


class ModelRouter:
    """The table of models in memory. `rows_of` and `refresh_secrets` run in the follower's thread, all else
    on the event loop; what is known of a target (breaker, limits, counts) outlives a change of others."""

    def __init__(self, *, secrets: Secrets | None = None, clock: Clock = time.monotonic) -> None:
        self._secrets = secrets or Secrets()
        self._clock = clock
        self._budget = RetryBudget()
        self._aliases: dict[str, _Alias] = {}
        self._straight: dict[tuple[str, str], tuple[TargetState, Target]] = {}

    def rows_of(self, snapshot: Snapshot) -> tuple[ModelRow, ...]:
        """The rows of a snapshot, once the secrets behind them are read."""
        self._secrets.refresh(row.secret_ref for row in snapshot.models if row.secret_ref)
        return snapshot.models

    def refresh_secrets(self) -> None:
        """Read the secrets again, as a file may hold another one by now."""
        self._secrets.refresh()

    def replace(self, rows: Sequence[ModelRow]) -> None:
        """Route by these rows from the next call on; running calls keep the plan they have."""
        before = {state.name: state for alias in self._aliases.values() for state in alias.targets}
        grouped: dict[str, list[TargetState]] = {}
        for row in rows:
            known = before.get(f"{row.alias}/{row.position}")
            state = known if known is not None and known.is_same_place(row) else TargetState(row)
            state.row = row
            grouped.setdefault(row.alias, []).append(state)
        self._aliases = {name: _Alias(states[0].row.wire, tuple(states)) for name, states in grouped.items()}

    def plan(self, *, caller: Caller, provider: Provider, prepared: Prepared) -> Plan | Refusal:
        name = prepared.requested_model
        alias = self._aliases.get(name)
        if alias is None and caller.forwards_key:
            state, target = self._straight.get((provider.name, provider.base_url)) or self._straight_to(
                provider
            )
            return StraightPlan(state, target=target)
        if alias is None or not _may_use(caller, name):
            message = f"the model {name[:200]!r} does not exist, or this key may not use it"
            return Refusal(404, "model_not_found", message)
        if alias.wire != provider.wire:
            message = f"the model {name!r} speaks the {alias.wire} protocol and is not found at this path"
            return Refusal(404, "model_not_found", message)
        usable = [each for each in alias.targets if self._obstacle(each, caller=caller) is None]
        if not usable:
            return self._unavailable(name, alias, caller=caller)
        now = self._clock()
        if not any(each.has_room(now=now) for each in usable):
            message = f"every target of {name!r} is at its limit of requests or tokens a minute"
            return Refusal(429, "rate_limit_exceeded", message, ((b"retry-after", b"5"),))
        return AliasPlan(
            name,
            candidates=in_order(usable),
            budget=self._budget,
            provider=provider,
            forwards_key=caller.forwards_key,
            clock=self._clock,
        )

    def models(self, *, caller: Caller, provider: Provider) -> Sequence[str] | None:
        if caller.forwards_key:
            return None
        return [
            name
            for name, alias in self._aliases.items()
            if alias.wire == provider.wire
            and _may_use(caller, name)
            and any(each.row.is_enabled for each in alias.targets)
        ]

    def stats(self) -> list[TargetStats]:
        """Numbers of every target, for metrics; may be asked in any thread."""
        now = self._clock()
        named = [self._known(state) for alias in self._aliases.values() for state in alias.targets]
        straight = [state for state, _ in tuple(self._straight.values())]
        return [state.stats(now=now) for state in (*named, *straight)]

    def _straight_to(self, provider: Provider) -> tuple[TargetState, Target]:
        """The provider itself, for models that nobody configured."""
        row = ModelRow(
            alias=provider.name,
            position=0,
            provider=provider.name,
            wire=provider.wire,
            model="",
            base_url=provider.base_url,
        )
        target = Target(name=provider.name, provider=provider.name, base_url=provider.base_url)
        found = self._straight[provider.name, provider.base_url] = TargetState(row), target
        return found

    def _obstacle(self, state: TargetState, *, caller: Caller) -> str | None:
        """Why this caller's call cannot go to the target, or None."""
        if (reason := self._known(state).unavailable) is not None:
            return reason
        if state.row.secret_ref is not None and not caller.is_trusted:
            return "its key is ours and serves only callers with a key of this proxy (LQO_AUTH=keys)"
        return None

    def _known(self, state: TargetState) -> TargetState:
        """The target with its secret as it is by now."""
        reference = state.row.secret_ref
        state.secret = None if reference is None else self._secrets.get(reference)
        return state

    def _unavailable(self, name: str, alias: _Alias, *, caller: Caller) -> Refusal:
        reasons = [f"{each.name}: {self._obstacle(each, caller=caller)}" for each in alias.targets]
        message = f"no target of {name!r} can be used ({'; '.join(reasons)})"
        return Refusal(503, "model_unavailable", message[:500])


def _may_use(caller: Caller, alias: str) -> bool:
    return caller.allowed_models is None or alias in caller.allowed_models
