"""Conditions that need more than a metric and a comparison, and metrics with words of their own, by name."""

from collections.abc import Mapping

from orchestration.alerts.engine.built_in.failing_words import failing_words
from orchestration.alerts.engine.built_in.judge_grades import judge_grades
from orchestration.alerts.engine.built_in.readings import BuiltIn, Words

BUILT_INS: Mapping[str, BuiltIn] = {"judge_grades": judge_grades}
WORDS: Mapping[str, Words] = {"failing_share": failing_words}
