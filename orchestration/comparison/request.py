"""What a person asks `lqo eval run` for, and what of it contradicts itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestration.comparison.figures import metric_names
from orchestration.comparison.gate import Condition, GateError, parse_condition


class RequestError(ValueError):
    """The run cannot be done as it was asked for; the message is one line."""


@dataclass(frozen=True, slots=True)
class Where:
    """A base URL and the reference of a key, as far as they were given."""

    base_url: str | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The command line of `lqo eval run`, read. See its help for what each means."""

    dataset: str | None
    model: str | None
    answers: Path | None
    baseline: str | None
    baseline_answers: Path | None
    is_baseline_recorded: bool
    models_at: Where
    baseline_at: Where
    judge: str | None
    judge_at: Where
    judge_parameters: tuple[str, ...]
    rubrics: tuple[str, ...]
    is_pairwise: bool
    is_graded: bool
    allows_same_model: bool
    sampled: Literal["calls", "sessions"] | None
    days: int
    sample: int
    project: str | None
    source_model: str | None
    temperature: float | None
    max_tokens: int | None
    fail_if: tuple[str, ...]
    min_prompts: int
    min_coverage: float
    needs_calibration: bool
    name: str
    is_fresh: bool
    concurrency: int

    @property
    def has_baseline(self) -> bool:
        """Sampled calls that a model is asked again are compared with what was answered then."""
        is_said = bool(self.baseline or self.baseline_answers or self.is_baseline_recorded)
        return is_said or (self.sampled is not None and bool(self.model or self.answers))

    def check(self) -> None:
        """Raise RequestError for what contradicts itself, before anything is opened or paid."""
        problems = {
            "name a dataset, or sample one with --from-calls or --from-sessions": not (
                self.dataset or self.sampled
            ),
            "a dataset file and a sample of calls are two datasets": bool(self.dataset and self.sampled),
            "--baseline-recorded and --baseline or --baseline-answers are two baselines": (
                self.is_baseline_recorded and bool(self.baseline or self.baseline_answers)
            ),
            "--pairwise compares with a baseline, and there is none": self.is_pairwise
            and not self.has_baseline,
            "--no-grades leaves nothing to measure without --pairwise": not (
                self.is_graded or self.is_pairwise
            ),
            "a rubric is named twice": len(set(self.rubrics)) < len(self.rubrics),
            "--require-calibrated is part of a gate: add --fail-if": self.needs_calibration
            and not self.fail_if,
        }
        if problem := next((problem for problem, is_so in problems.items() if is_so), None):
            raise RequestError(problem)
        # What a file is called inside, or a configured judge, is known only later.
        if self.rubrics and not any(name.endswith(".md") for name in self.rubrics):
            self.conditions([*self.rubrics])

    def conditions(self, rubrics: list[str]) -> tuple[Condition, ...]:
        """The gate. Raises RequestError for a condition that does not parse or that nothing measures."""
        graded = rubrics if self.is_graded else []
        metrics = metric_names(graded, has_baseline=self.has_baseline, is_pairwise=self.is_pairwise)
        try:
            return tuple(parse_condition(text, metrics=metrics) for text in self.fail_if)
        except GateError as error:
            raise RequestError(str(error)) from error
