"""Where a run's money is kept, for runs that may not spend more than they were told."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Protocol

from evaluators.judging.asking import Judgement
from evaluators.judging.items import JudgeItem
from ingest.call import Call
from orchestration.comparison.endpoints import Endpoint
from orchestration.comparison.items import EvalItem
from orchestration.judging.judges import Judge

LATER: Final = "later"
"""Why a request is not sent now: what is out may leave enough for it. Ask again once all of that is back."""


class Till(Protocol):
    """Sets money aside before a request is sent, and counts what it cost with what came of it.

    `admit_*` return why a request is not to be sent (perhaps LATER), None: send it. `settle_*` are called in
    the transaction that keeps the answer; `refund_*` where the endpoint has refused the request, so that
    nothing was paid.
    """

    def admit_answer(self, item: EvalItem, endpoint: Endpoint) -> str | None: ...

    def settle_answer(self, item: EvalItem, endpoint: Endpoint, calls: Sequence[Call]) -> Decimal | None:
        """Returns USD of the answer, None where nobody can say."""
        ...

    def refund_answer(self, item: EvalItem, endpoint: Endpoint) -> None: ...

    def admit_judging(self, judge: Judge, item: JudgeItem) -> str | None: ...

    def settle_judging(self, judge: Judge, judgement: Judgement, usd: Decimal | None) -> None: ...

    def refund_judging(self, judge: Judge) -> None: ...
