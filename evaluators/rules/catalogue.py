"""The rules that run over every call, listed by hand."""

from evaluators.rules.base import Rule
from evaluators.rules.empty_answer import empty_answer
from evaluators.rules.error import error
from evaluators.rules.invalid_json import invalid_json
from evaluators.rules.json_schema import json_schema
from evaluators.rules.language_mismatch import language_mismatch
from evaluators.rules.pii import pii
from evaluators.rules.prompt_echo import prompt_echo
from evaluators.rules.refusal import refusal
from evaluators.rules.repetition_loop import repetition_loop
from evaluators.rules.secret_leak import secret_leak
from evaluators.rules.slow import slow
from evaluators.rules.truncated import truncated

RULES: tuple[Rule, ...] = (
    empty_answer(),
    truncated(),
    refusal(),
    invalid_json(),
    json_schema(),
    repetition_loop(),
    language_mismatch(),
    pii(),
    secret_leak(),
    prompt_echo(),
    slow(),
    error(),
)
