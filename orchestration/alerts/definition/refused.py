"""Words that a rule's SQL may not hold, since rights and time alone do not stop what they do."""

import re
from collections.abc import Iterator

from orchestration.alerts.definition.model import MartMetric, Rule, SqlMetric

# set_config could take the owner's role back; an advisory lock outlives the transaction and would stop the
# writers that take it; pg_sleep only holds the others up; ts_stat, ts_rewrite and the *_to_xml run a text as
# SQL, where any of these may be put together out of pieces; U& spells them in another way.
_REFUSED = re.compile(
    r"\b(set_config|pg_sleep\w*|pg_\w*advisory\w*|pg_notify|pg_logical_emit_message|dblink\w*"
    r"|ts_stat|ts_rewrite|\w+_to_xml\w*)\b|\b(u&)[\"']",
    re.I,
)


def find_refused(text: str) -> str | None:
    """The first such word; None: there is none."""
    found = _REFUSED.search(text)
    return (found[1] or found[2]) if found else None


def sql_texts(rule: Rule) -> Iterator[tuple[str, str]]:
    """The fields of a rule that hold SQL, each with its text."""
    if isinstance(rule.metric, SqlMetric):
        yield "metric.query", rule.metric.query
    elif isinstance(rule.metric, MartMetric):
        for name in ("numerator", "denominator", "squares", "n", "where"):
            if (text := getattr(rule.metric, name)) is not None:
                yield f"metric.{name}", text
