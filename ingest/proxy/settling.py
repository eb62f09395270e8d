"""What an answer used, told once to its target and to the limits."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from ingest.providers.base import Provider, Reading
from ingest.proxy.attempts import BROKE_OFF, Attempts, Sending
from ingest.proxy.ports import Pricer
from ingest.proxy.recorder import Recorder
from ingest.proxy.used import Used

logger = logging.getLogger(__name__)


class Settling:
    """The account of one call. Nothing in it may keep END from being written: the call would stay open."""

    def __init__(
        self, provider: Provider, *, sending: Sending, recorder: Recorder, pricer: Pricer, attempts: Attempts
    ) -> None:
        self._provider = provider
        self._sending = sending
        self._recorder = recorder
        self._pricer = pricer
        self._attempts = attempts
        self._spent: dict[str, str] | None = None
        self._answer: Used | None = None
        self._failed: list[Used] = []

    @property
    def reading(self) -> Reading | None:
        """What the answer says it used."""
        return None if self._answer is None else self._answer.reading

    @property
    def used(self) -> tuple[Used, ...]:
        """What each attempt used that says it, the answer last."""
        return tuple(self._failed) if self._answer is None else (*self._failed, self._answer)

    @property
    def cost_usd(self) -> Decimal | None:
        """USD of all of them; None where there are none, or one that nobody can price."""
        costs = [each.cost_usd for each in self.used]
        return _sum(costs) if costs and None not in costs else None

    def settle(
        self, status: str, *, answered: int | None, is_refused: bool, error_type: str | None, is_gone: bool
    ) -> dict[str, str]:
        """What was spent by account; asked again, the same. `answered` is the provider's own status."""
        if self._spent is None:
            is_failure = status == "error" and is_refused and error_type != "proxy_stopped"
            with _READING:
                self._failed = [self._priced(each) for each in self._attempts.failed]
                self._read_usage(answered)
            with _TELLING:
                broke_off = error_type if error_type in BROKE_OFF and not is_gone else None
                self._attempts.ended(self.reading, broke_off=broke_off)
            self._spent = {}
            with _SETTLING:
                grant = self._sending.grant
                self._spent = grant.settle(
                    self.reading,
                    cost_usd=None if self._answer is None else self._answer.cost_usd,
                    is_failure=is_failure,
                    failed_usd=_sum(each.cost_usd for each in self._failed),
                )
        return self._spent

    def _read_usage(self, answered: int | None) -> None:
        if answered is None or not self._recorder.tail:
            return
        reading = self._provider.read_usage(head=self._recorder.head, tail=self._recorder.tail)
        target = self._attempts.target
        if reading.served_model is None and target.model is None:
            # Transcriptions say no model: as in the warehouse, it is the one that was asked for.
            target = replace(target, model=self._sending.prepared.requested_model or None)
        # Told before it is priced: a price that fails leaves what was read.
        self._answer = Used(target, reading)
        self._answer = self._priced(self._answer)

    def _priced(self, used: Used) -> Used:
        """With its cost at the prices of the call's start: the same function as the charges'."""
        cost_usd = self._pricer.cost(
            used.reading,
            target=used.target,
            endpoint=self._sending.endpoint,
            at_ns=self._recorder.started_at_ns,
        )
        return Used(used.target, used.reading, cost_usd)


def _sum(costs: Iterable[Decimal | None]) -> Decimal:
    return sum((cost for cost in costs if cost is not None), Decimal(0))


class _logged:  # noqa: N801
    """Whatever fails inside is logged and goes no further. No generator: there are three a call."""

    __slots__ = ("_message",)

    def __init__(self, message: str) -> None:
        self._message = message

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, Exception):
            logger.error(self._message, exc_info=error)
            return True
        return False


_READING = _logged("the usage of an answer could not be read")
_TELLING = _logged("a target could not be told how its answer ended")
_SETTLING = _logged("the limits could not be told what a call used")
