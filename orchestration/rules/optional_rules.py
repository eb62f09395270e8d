"""Shipped rules that run only where somebody asks for them, since they cost what no other rule costs."""

import logging
import os
from collections.abc import Mapping

from evaluators.meaning.embedding import MissingModelError
from evaluators.rules.answer_relevance import answer_relevance
from evaluators.rules.base import Rule
from evaluators.rules.catalogue import RULES

logger = logging.getLogger(__name__)
SETTING = "LQO_ANSWER_RELEVANCE"


def shipped_rules(environment: Mapping[str, str] = os.environ) -> tuple[Rule, ...]:
    """The catalogue, and `answer_relevance` where `LQO_ANSWER_RELEVANCE` is `on` or its least similarity.

    A wrong value, or an absent extra, is logged and leaves that rule out: the others must not wait for it.
    """
    given = environment.get(SETTING, "").strip().lower()
    if given in ("", "off"):
        return RULES
    try:
        rule = answer_relevance() if given == "on" else answer_relevance(least_similarity=_share(given))
    except (MissingModelError, ValueError) as error:
        logger.error("%s: %s", SETTING, error)
        return RULES
    return (*RULES, rule)


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise ValueError(f"{text} is not between 0 and 1")
    return value
