"""What the judges of a run say of its answers, rubric by rubric, put back to the items it was said of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from evaluators.judging.asking import Judgement
from evaluators.judging.items import JudgeItem, gap
from evaluators.judging.rubrics import Need
from ingest.uuid7 import derived_uuid7
from orchestration.comparison.figures import Graded
from orchestration.comparison.items import EvalItem, Side
from orchestration.comparison.judging import Bench
from orchestration.comparison.plans import Work
from orchestration.comparison.store import Answered, Run, StoredGrades, write_grades

EMPTY_ANSWER: Final = "empty_answer"
NO_ANSWER: Final = "no_answer"


@dataclass(slots=True)
class _Row:
    """One side of an item while it is being judged."""

    side: Side
    item: EvalItem
    grades: dict[str, float] = field(default_factory=dict[str, float])
    unscored: dict[str, str] = field(default_factory=dict[str, str])
    reasons: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def stored(self) -> StoredGrades:
        return self.side, self.item.item_id, self.grades, self.unscored, self.reasons


def grade_answers(work: Work, benches: Mapping[str, Bench]) -> dict[Side, list[Graded]]:
    """Grade every answer by every rubric (`benches` by rubric) and store it; by side, in the items' order."""
    rows: dict[tuple[Side, str], _Row] = {
        (side, item.item_id): _Row(side, item) for side in work.plan.sides for item in work.plan.items
    }
    for rubric, bench in benches.items():
        work.note(f"{bench.judge.model} grades {rubric}")
        _grade(work, rows, bench)
    with work.connection.transaction():
        write_grades(work.connection, work.run, [row.stored for row in rows.values()])
    return {side: [_graded(rows[side, item.item_id]) for item in work.plan.items] for side in work.plan.sides}


def id_of(answered: Answered, run: Run) -> tuple[UUID, datetime]:
    """The call that was the answer; of a recorded one an id that is the same whenever this run goes on."""
    if answered.call_id is not None and answered.answered_at is not None:
        return answered.call_id, answered.answered_at
    key = f"{run.run_id}/{answered.side}/{answered.item_id}".encode("utf-8", "surrogatepass")
    return derived_uuid7(run.started_at, key=key), run.started_at


def _grade(work: Work, rows: Mapping[tuple[Side, str], _Row], bench: Bench) -> None:
    """Fill in what one judge says; an answer that is not there, or is blank, is unscored and counted."""
    rubric, asked = bench.judge.evaluator, list[tuple[_Row, JudgeItem]]()
    for key, row in rows.items():
        answered = work.answers[key]
        if answered.answers is None:
            row.unscored[rubric] = answered.no_answer_reason or NO_ANSWER
            continue
        item = _judge_item(work, row, answered)
        reason = _gap(item, bench.judge.spec.rubric.needs)
        if reason is None:
            asked.append((row, item))
        else:
            row.unscored[rubric] = reason
    judgements = bench.grade([item for _, item in asked])
    for row, item in asked:
        _take(row, rubric, judgements[item.content_hash])


def _gap(item: JudgeItem, needs: frozenset[Need]) -> str | None:
    """Why the item is not asked about. A blank answer is the model's doing, so the item stays eligible."""
    if reason := gap(item, needs=needs - {"answer"}):
        return reason
    return EMPTY_ANSWER if "answer" in needs and gap(item, needs=frozenset({"answer"})) else None


def _take(row: _Row, rubric: str, judgement: Judgement) -> None:
    if judgement.value is None:
        row.unscored[rubric] = judgement.unscored_reason or "error"
        row.reasons[rubric] = str(judgement.details.get("detail", ""))
    else:
        row.grades[rubric] = judgement.value
        row.reasons[rubric] = judgement.explanation or ""


def _judge_item(work: Work, row: _Row, answered: Answered) -> JudgeItem:
    said = answered.answers or ("",)
    call_id, at = id_of(answered, work.run)
    return JudgeItem(
        call_id=str(call_id),
        started_at=at,
        conversation=row.item.conversation(said[:-1]),
        answer=said[-1],
        context=row.item.context,
        reference=row.item.reference,
        models=work.plan.models_of(row.side, row.item),
    )


def _graded(row: _Row) -> Graded:
    return Graded(row.item.cluster, row.grades, row.unscored)
