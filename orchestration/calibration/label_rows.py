"""One row of human labels, read: whose word it is, of which call, about what."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from ingest.landing.text import is_holdable
from ingest.uuid7 import uuid7_time

FIELDS = frozenset(
    {
        "call_id",
        "external_id",
        "source",
        "evaluator",
        "rater",
        "value",
        "label",
        "cluster",
        "is_blind",
        "inclusion_probability",
        "at",
    }
)
LABELS = ("pass", "fail")
LONGEST_NAME = 200
LARGEST = Decimal(10) ** 12
_YES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,2})?")


class LabelError(ValueError):
    """The row is no label; the message is one line and begins with a reason that can be counted."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a call, which is named by its own id or by (`source` of the call, foreign id).

    `value` is on the evaluator's scale (1–5 of a rubric, 0 or 1 of a rule), `label` pass or fail; one of them
    is there. `at` is None where the row does not say when.
    """

    call_id: UUID | None
    external_id: str | None
    source: str
    evaluator: str
    rater: str
    value: Decimal | None
    label: str | None
    cluster: str | None
    is_blind: bool
    inclusion_probability: float
    at: datetime | None


def read_label(row: Mapping[str, Any], *, evaluator: str | None, rater: str | None) -> Label:
    """The label in a row of text or JSON values; blanks are as absent. Raises LabelError.

    `evaluator` and `rater` stand in for what the row does not say.
    """
    unknown = sorted(str(name) for name in row.keys() - FIELDS)
    if unknown:
        raise LabelError("unknown_field", ", ".join(unknown)[:200])
    call_id, external_id = _call_id(_text(row, "call_id")), _text(row, "external_id")
    if (call_id is None) == (external_id is None):
        raise LabelError("bad_field", "give either call_id or external_id")
    value, label = _number(row, "value"), _label(_text(row, "label"))
    if value is None and label is None:
        raise LabelError("missing_field", "give value or label")
    probability = _number(row, "inclusion_probability")
    if probability is not None and not 0 < probability <= 1:
        raise LabelError("bad_field", "inclusion_probability must be above 0 and at most 1")
    return Label(
        call_id=call_id,
        external_id=external_id,
        source=_text(row, "source") or "import",
        evaluator=_required(row, "evaluator", default=evaluator),
        rater=_required(row, "rater", default=rater),
        value=value,
        label=label,
        cluster=_text(row, "cluster"),
        is_blind=_flag(row, "is_blind", default=True),
        inclusion_probability=1.0 if probability is None else float(probability),
        at=_moment(_text(row, "at")),
    )


def _text(row: Mapping[str, Any], name: str) -> str | None:
    given = row.get(name)
    if given is None:
        return None
    if isinstance(given, bool | int | float) and name in ("cluster", "external_id", "rater"):
        given = str(given)
    if not isinstance(given, str):
        raise LabelError("bad_field", f"{name} must be a text")
    text = given.strip()
    if len(text) > LONGEST_NAME or not is_holdable(text):
        raise LabelError(
            "bad_field", f"{name} is UTF-8 of at most {LONGEST_NAME} characters, none of them NUL"
        )
    return text or None


def _required(row: Mapping[str, Any], name: str, *, default: str | None) -> str:
    text = _text(row, name) or default
    if text is None:
        raise LabelError("missing_field", name)
    return text


def _call_id(text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        call_id = UUID(text)
    except ValueError:
        raise LabelError("bad_field", f"call_id {text!r:.60} is no id of a call") from None
    if uuid7_time(call_id) is None:
        raise LabelError("bad_field", f"call_id {text!r:.60} is no id of a call")
    return call_id


def _label(text: str | None) -> str | None:
    if text is None:
        return None
    if text.lower() not in LABELS:
        raise LabelError("bad_field", f"label must be pass or fail, not {text!r:.60}")
    return text.lower()


def _number(row: Mapping[str, Any], name: str) -> Decimal | None:
    given = row.get(name)
    if given is None or (isinstance(given, str) and not given.strip()):
        return None
    try:
        number = Decimal(given.strip() if isinstance(given, str) else repr(given))
    except (InvalidOperation, TypeError):
        number = Decimal("nan")
    is_plain = isinstance(given, int | float | Decimal) or bool(_NUMBER.fullmatch(given.strip()))
    if isinstance(given, bool) or not is_plain or not number.is_finite() or abs(number) > LARGEST:
        raise LabelError("bad_field", f"{name} must be a number, not {str(given)!r:.60}")
    return number


def _flag(row: Mapping[str, Any], name: str, *, default: bool) -> bool:
    given = row.get(name)
    if given is None or given == "":
        return default
    known = given if isinstance(given, bool) else _YES.get(str(given).strip().lower())
    if known is None:
        raise LabelError("bad_field", f"{name} must be true or false, not {str(given)!r:.60}")
    return known


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise LabelError("bad_field", f"at {text!r:.60} needs an offset, such as Z")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        if isinstance(error, LabelError):
            raise
        raise LabelError("bad_field", f"at {text!r:.60} is no time such as 2026-11-01T09:30:00Z") from None
