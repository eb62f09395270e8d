"""A call that cannot be a row as it is, made one without a loss: escaped or clipped, and marked."""

from typing import Any

import msgspec

from ingest.call import Attempt, Call
from ingest.landing.columns import BODY_TEXTS, LONGEST_NAME, NAMES, TEXTS
from ingest.landing.render import Previews
from ingest.landing.text import REPAIRED_TAG, is_holdable, is_holdable_json, repair, repair_json

CLIPPED_TAG = "lqo.clipped"


def clip_names(call: Call) -> Call:
    """`call` with names of at most 500 characters; the whole of a longer one stands in its tags."""
    whole = {name: value for name in NAMES if len(value := getattr(call, name) or "") > LONGEST_NAME}
    if not whole:
        return call
    cut = {name: value[:LONGEST_NAME] for name, value in whole.items()}
    return msgspec.structs.replace(call, **cut, tags={**call.tags, CLIPPED_TAG: whole})


def repair_call(call: Call, *, previews: Previews) -> tuple[Call, Previews]:
    """`call` with every unholdable field escaped and its name in `tags['lqo.repaired']`.

    A preview is escaped when its text is, so that one mark speaks for both.
    """
    changes: dict[str, Any] = {
        name: repair(value)
        for name in (*NAMES, *TEXTS, *BODY_TEXTS)
        if (value := getattr(call, name)) is not None and not is_holdable(value)
    }
    documents = {"tags": call.tags, "usage": call.usage, "attempts": msgspec.to_builtins(call.attempts)}
    for name, value in documents.items():
        if not is_holdable_json(value):
            changes[name] = _repaired_document(name, value)
    if not changes:
        return call, previews
    tags = {**changes.get("tags", call.tags), REPAIRED_TAG: sorted(changes)}
    before, after = previews
    repaired = (
        repair(before) if before is not None and "input_text" in changes else before,
        repair(after) if after is not None and "output_text" in changes else after,
    )
    return msgspec.structs.replace(call, **{**changes, "tags": tags}), repaired


def _repaired_document(name: str, value: Any) -> Any:
    repaired = repair_json(value)
    return msgspec.convert(repaired, tuple[Attempt, ...]) if name == "attempts" else repaired
