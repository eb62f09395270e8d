"""What of a page of pending calls needs no asking: nothing to judge, or a verdict paid for before."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.asking import Judgement, barred, unscorable, without_asking
from evaluators.judging.items import JudgeItem
from orchestration.judging.cache import KeptVerdict, VerdictCache
from orchestration.judging.pending import Pending
from orchestration.judging.writing import Outcome

if TYPE_CHECKING:
    from evaluators.judging.judge import JudgeSpec


def split_page(
    connection: Connection[TupleRow], page: Sequence[Pending], *, spec: "JudgeSpec", cache: VerdictCache
) -> tuple[list[Outcome], list[Pending]]:
    """The outcomes that cost nothing, and the calls that are left to ask about."""
    free: list[Outcome] = []
    asked: list[tuple[Pending, bytes]] = []
    for pending in page:
        if why := unscorable(spec, pending.item):
            judgement = without_asking(spec, pending.item, why)
            free.append(Outcome(judgement, pending.probability, pending.tries))
        else:
            asked.append((pending, pending.item.content_hash))
    found = cache.find(connection, [content for _, content in asked])
    for pending, content in asked:
        if (verdict := found.get(content)) is not None:
            judgement = barred(spec, pending.item, told(spec, pending.item, verdict))
            free.append(Outcome(judgement, pending.probability, pending.tries, is_known=True))
    return free, [pending for pending, content in asked if content not in found]


def told(spec: "JudgeSpec", item: JudgeItem, verdict: KeptVerdict) -> Judgement:
    """The kept verdict as this call's judgement: nothing is paid for it."""
    return Judgement(
        call_id=item.call_id,
        started_at=item.started_at,
        content_hash=verdict.content_hash,
        evaluator=spec.evaluator,
        evaluator_version=spec.version,
        judge_model=verdict.served_model or spec.model,
        value=None if verdict.value is None else int(verdict.value),
        label=verdict.label,
        explanation=verdict.explanation,
        unscored_reason=verdict.unscored_reason,
        details=verdict.details,
        is_reused=True,
    )
