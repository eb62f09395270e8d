"""Running rules over a frame so that one failing rule sinks neither its batch nor the other rules."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import polars as pl
import zstandard

from evaluators.rules.base import EVIDENCE_LIMIT, Rule
from evaluators.rules.prepare import INPUT_SCHEMA
from evaluators.rules.score import score_frame
from evaluators.rules.written.scope import SCOPE_SCHEMA

ERROR = "error"
# One bad call among 20,000 is found in 15 halvings; a rule that always fails is given up after 64.
MAX_FAILURES = 64
# A body larger than this when unpacked is not parsed; the rules that need it say `not_evaluable`.
MAX_REQUEST_BYTES = 32 * 2**20
_RAISED = (Exception, pl.exceptions.PanicException)

# All that a rule may be given of a call.
CALL_COLUMNS: dict[str, pl.DataType] = {**INPUT_SCHEMA, **SCOPE_SCHEMA}

RESULT_SCHEMA: dict[str, pl.DataType] = {
    "failed": pl.List(pl.String()),
    "unscored": pl.String(),
    "evidence": pl.String(),
}


@dataclass(slots=True)
class Outcome:
    """One call's result while it is put together: failed rules, unscored rule → reason, rule → evidence."""

    failed: list[str]
    unscored: dict[str, str]
    evidence: dict[str, str]

    def add(self, other: "Outcome") -> None:
        self.failed = sorted({*self.failed, *other.failed})
        self.unscored |= other.unscored
        self.evidence |= other.evidence

    def only(self, names: frozenset[str]) -> "Outcome":
        return Outcome(
            failed=[name for name in self.failed if name in names],
            unscored={name: reason for name, reason in self.unscored.items() if name in names},
            evidence={name: text for name, text in self.evidence.items() if name in names},
        )


def judge(calls: pl.DataFrame, *, rules: Sequence[Rule]) -> pl.DataFrame:
    """`run_rules` over calls as they are stored: of CALL_COLUMNS those that the rules require, the request
    packed with zstd."""
    return run_rules(_with_requests(calls, rules=rules), rules=rules)


def run_rules(frame: pl.DataFrame, *, rules: Sequence[Rule]) -> pl.DataFrame:
    """The columns of RESULT_SCHEMA in frame order; a rule that raises leaves its calls unscored, `error`."""
    if not rules:
        nothing = pl.DataFrame([([], "{}", "{}")], schema=RESULT_SCHEMA, orient="row")
        return pl.DataFrame([column.new_from_index(0, frame.height) for column in nothing])
    try:
        return score_frame(frame, rules=rules).select(*RESULT_SCHEMA)
    except _RAISED:
        outcomes = [Outcome([], {}, {}) for _ in range(frame.height)]
        for rule in rules:
            for outcome, found in zip(outcomes, _run_alone(frame, rule), strict=True):
                outcome.add(found)
        return to_columns(outcomes)


def to_outcomes(columns: pl.DataFrame) -> list[Outcome]:
    """Rows of RESULT_SCHEMA as values."""
    return [
        Outcome(list(failed), _decode(unscored), _decode(evidence))
        for failed, unscored, evidence in columns.select(*RESULT_SCHEMA).iter_rows()
    ]


def to_columns(outcomes: Iterable[Outcome]) -> pl.DataFrame:
    """Values as rows of RESULT_SCHEMA."""
    rows = [(each.failed, _encode(each.unscored), _encode(each.evidence)) for each in outcomes]
    return pl.DataFrame(rows, schema=RESULT_SCHEMA, orient="row")


def _with_requests(part: pl.DataFrame, *, rules: Sequence[Rule]) -> pl.DataFrame:
    """Unpack the request bodies, unless none of the rules reads anything that comes from them."""
    frame = part.select(name for name in part.columns if name in CALL_COLUMNS)
    if "request" not in frame.columns or not any("request" in rule.requires for rule in rules):
        return frame.with_columns(request=pl.lit(None, dtype=pl.Binary))
    unpacker = zstandard.ZstdDecompressor()
    requests = [None if body is None else _unpack(unpacker, body) for body in frame["request"]]
    return frame.with_columns(pl.Series("request", requests, dtype=pl.Binary))


def _unpack(unpacker: zstandard.ZstdDecompressor, body: bytes) -> bytes | None:
    try:
        if zstandard.frame_content_size(body) > MAX_REQUEST_BYTES:
            return None
        return unpacker.decompress(body, max_output_size=MAX_REQUEST_BYTES)
    except zstandard.ZstdError:
        return None


def _run_alone(frame: pl.DataFrame, rule: Rule) -> list[Outcome]:
    """Halve the frame around what raises, so that only the calls at fault go without a result."""
    outcomes: list[Outcome] = []
    waiting = [frame]
    n_failures = 0
    while waiting:
        part = waiting.pop()
        try:
            outcomes.extend(to_outcomes(score_frame(part, rules=(rule,))))
        except _RAISED as error:
            n_failures += 1
            if part.height == 1 or n_failures > MAX_FAILURES:
                outcomes.extend(_raised(rule, error) for _ in range(part.height))
            else:
                middle = part.height // 2
                waiting += [part.slice(middle), part.slice(0, middle)]
    return outcomes


def _raised(rule: Rule, error: BaseException) -> Outcome:
    message = " ".join(f"{type(error).__name__}: {error}".split())[:EVIDENCE_LIMIT]
    return Outcome([], {rule.name: ERROR}, {rule.name: message})


def _decode(text: str | None) -> dict[str, str]:
    return msgspec.json.decode(text, type=dict[str, str]) if text else {}


def _encode(values: dict[str, str]) -> str:
    return msgspec.json.encode(values, order="sorted").decode()
