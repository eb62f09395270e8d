"""How the masks do on labelled texts: by stretch, for each kind that the labels know."""

import json
from collections import Counter
from pathlib import Path

from evaluators.masking import KINDS
from evaluators.masking_spans import Span, find_spans
from tests.evaluators.rules_data import Tally

LABELS = {"EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "CREDIT_CARD": "card", "IBAN_CODE": "iban"}


def judged_masks(path: Path) -> dict[str, Tally]:
    """A labelled stretch is a hit when all of it is masked, whatever the mark says; a mark that touches no
    label of these kinds is a false alarm of its kind."""
    hits, misses, alarms = Counter[str](), Counter[str](), Counter[str]()
    for row in json.loads(path.read_text(encoding="utf-8")):
        spans = list(find_spans(row["full_text"], KINDS))
        labels = [
            Span(each["start_position"], each["end_position"], LABELS[each["entity_type"]])
            for each in row["spans"]
            if each["entity_type"] in LABELS
        ]
        for label in labels:
            is_hit = any(span.start <= label.start and label.end <= span.end for span in spans)
            (hits if is_hit else misses)[label.kind] += 1
        for span in spans:
            if not any(label.start < span.end and span.start < label.end for label in labels):
                alarms[span.kind] += 1
    return {
        kind: Tally(hits=hits[kind], misses=misses[kind], false_alarms=alarms[kind]) for kind in sorted(KINDS)
    }
