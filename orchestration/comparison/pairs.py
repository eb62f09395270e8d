"""Both sides' answers compared by a judge in both orders, item by item."""

from collections.abc import Mapping
from typing import Final, LiteralString

from psycopg.types.json import Json

from evaluators.judging.asking import Judgement
from evaluators.judging.pairwise import PairItem, choice_of
from evaluators.judging.win_rates import Choice, Pair, Settled, Winner, settle
from orchestration.comparison.figures import Compared
from orchestration.comparison.grading import EMPTY_ANSWER, NO_ANSWER, id_of
from orchestration.comparison.items import EvalItem
from orchestration.comparison.judging import Bench
from orchestration.comparison.plans import Work
from orchestration.comparison.store import Answered

_WINNERS: Final[Mapping[bool, Mapping[Choice, Winner]]] = {
    True: {"first": "candidate", "second": "baseline", "tie": "tie"},
    False: {"first": "baseline", "second": "candidate", "tie": "tie"},
}
"""By whether the candidate was shown first."""
_ADD: LiteralString = """
insert into evaluation.pairwise_verdicts (
    run_id, item_id, evaluator_version_id, is_candidate_first, content_hash, judge_model, winner,
    unscored_reason, explanation
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (run_id, item_id, evaluator_version_id, is_candidate_first) do update
set winner = excluded.winner,
    unscored_reason = excluded.unscored_reason,
    explanation = excluded.explanation,
    judge_model = excluded.judge_model,
    judged_at = now()
"""


def compare_answers(work: Work, bench: Bench) -> list[Compared]:
    """Compare every pair and store both orders' verdicts; in the order of the items.

    Equal answers are a tie that nobody need be asked about.
    """
    work.note(f"{bench.judge.model} compares by {bench.judge.evaluator}, both orders")
    found: dict[str, Compared] = {}
    pairs: dict[str, PairItem] = {}
    for item in work.plan.items:
        ours, theirs = (work.answers[side, item.item_id] for side in ("candidate", "baseline"))
        if (settled := _without_asking(item, ours, theirs)) is not None:
            found[item.item_id] = settled
        else:
            pairs[item.item_id] = _pair_item(work, item, ours, theirs)
    judgements = bench.compare([each for pair in pairs.values() for each in (pair, pair.swapped)])
    clusters = {item.item_id: item.cluster for item in work.plan.items}
    rows: list[tuple[object, ...]] = []
    for item_id, pair in pairs.items():
        orders = judgements[pair.content_hash], judgements[pair.swapped.content_hash]
        found[item_id] = _settled(pair, orders, cluster=clusters[item_id])
        rows += [
            (work.run.run_id, item_id, bench.version_id, is_first, *_said(judgement, is_first=is_first))
            for judgement, is_first in zip(orders, (True, False), strict=True)
        ]
    with work.connection.transaction(), work.connection.cursor() as cursor:
        cursor.executemany(_ADD, rows)
    return [found[item.item_id] for item in work.plan.items]


def _without_asking(item: EvalItem, ours: Answered, theirs: Answered) -> Compared | None:
    texts = [None if each.answers is None else transcript(item, each.answers) for each in (ours, theirs)]
    lengths = [len(text or "") for text in texts]
    missing = next((each for each in (ours, theirs) if each.answers is None), None)
    if missing is not None:
        reason, settled = missing.no_answer_reason or NO_ANSWER, Settled(None)
    elif not any((text or "").strip() for text in texts):
        reason, settled = EMPTY_ANSWER, Settled(None)
    elif texts[0] == texts[1]:
        reason, settled = None, Settled("tie")
    else:
        return None
    return Compared(Pair(settled, item.cluster, lengths[0], lengths[1]), reason)


def transcript(item: EvalItem, answers: tuple[str, ...]) -> str:
    """The answer; of several turns all that was said after the opening, for there the two sides differ."""
    turns = [answers[0]]
    for followup, answer in zip(item.followups, answers[1:], strict=True):
        turns += [f"[user]\n{followup}", f"[assistant]\n{answer}"]
    return "\n\n".join(turns)


def _pair_item(work: Work, item: EvalItem, ours: Answered, theirs: Answered) -> PairItem:
    call_id, at = id_of(ours, work.run)
    return PairItem(
        call_id=str(call_id),
        started_at=at,
        conversation=item.opening,
        first=transcript(item, ours.answers or ("",)),
        second=transcript(item, theirs.answers or ("",)),
        context=item.context,
        reference=item.reference,
        models=(*work.plan.models_of("candidate", item), *work.plan.models_of("baseline", item)),
    )


def _settled(pair: PairItem, orders: tuple[Judgement, Judgement], *, cluster: str) -> Compared:
    there, back = orders
    settled = settle(choice_of(there.label), choice_of(back.label))
    reason = next((each.unscored_reason for each in orders if each.unscored_reason), None)
    of = Pair(settled, cluster, len(pair.first), len(pair.second))
    return Compared(of, reason if settled.winner is None else None)


def _said(judgement: Judgement, *, is_first: bool) -> tuple[object, ...]:
    """The columns of a verdict after its key."""
    choice = choice_of(judgement.label)
    said = judgement.explanation or judgement.details.get("detail")
    return (
        judgement.content_hash,
        judgement.judge_model,
        None if choice is None else _WINNERS[is_first][choice],
        judgement.unscored_reason,
        None if said is None else Json(said),
    )
