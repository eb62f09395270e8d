"""Which judge exactly: a rubric, a model and its parameters, and the version that all of it makes."""

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final, Literal

from evaluators.judging.prompts import PROMPT_VERSION, template_hash
from evaluators.judging.protocol import PARSER_VERSION, SCHEMA
from evaluators.judging.rubrics import Rubric

Output = Literal["auto", "json_schema", "json_object_schema", "json_object", "text"]

MAX_INPUT_BYTES: Final = 96_000
"""Of UTF-8: about 24,000 tokens of English and at most some 48,000 of Korean or emoji, well within the 128k
window of today's judges, and a bound on what a single verdict may cost."""


@dataclass(frozen=True)
class JudgeSpec:
    """One judge: everything that may change a verdict, and with it the version.

    `model` should be a dated snapshot. `temperature`, `seed` and `max_tokens` are left out of the request
    where None (some models refuse them); `max_tokens_field` is `max_completion_tokens` for OpenAI's reasoning
    models. `base_url_ref` is the name of the endpoint in the configuration, never a URL with a key in it.
    `output` is how the answer's form is enforced: `auto` asks for a JSON schema and steps down to a JSON
    object and to words alone where the endpoint refuses that; the others are asked for as they are
    (`json_object_schema` is llama.cpp's own: a JSON object with a schema beside it).
    `max_input_bytes` bounds the material (see `evaluators.judging.fitting`). `allows_same_model` lets a judge
    grade its own model; it changes which calls are asked about and no verdict, so it is not in the version.
    """

    rubric: Rubric
    model: str
    temperature: float | None = 0
    seed: int | None = 1
    max_tokens: int | None = 1_024
    base_url_ref: str = "default"
    prompt_version: str = PROMPT_VERSION
    output: Output = "auto"
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    reasoning_effort: str | None = None
    max_input_bytes: int = MAX_INPUT_BYTES
    allows_same_model: bool = False

    @property
    def evaluator(self) -> str:
        """The evaluator's name in scores: the rubric's."""
        return self.rubric.name

    @cached_property
    def version(self) -> str:
        """`1.0.0+0123456789ab`: the rubric's semver and twelve hex digits over all that decides a verdict."""
        parts = {
            "rubric": self.rubric.hash,
            "model": self.model,
            "temperature": self.temperature,
            "seed": self.seed,
            "max_tokens": [self.max_tokens_field, self.max_tokens],
            "reasoning_effort": self.reasoning_effort,
            "endpoint": self.base_url_ref,
            "output": self.output,
            "max_input_bytes": self.max_input_bytes,
            "prompt": [self.prompt_version, template_hash()],
            "parser": [PARSER_VERSION, SCHEMA],
        }
        digest = sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return f"{self.rubric.version}+{digest[:12]}"
