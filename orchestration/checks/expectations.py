"""Great Expectations over one landed day. Import it inside a check: it takes 8 s."""

# pyright: reportPrivateImportUsage=false
import logging
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

# Before the import, which reads it: no usage events leave the machine.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

with warnings.catch_warnings():
    # It imports modules that Python itself is about to drop.
    warnings.simplefilter("ignore", DeprecationWarning)
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.data_context.types.base import ProgressBarsConfig

from ingest.database.url import DatabaseUrl
from orchestration.checks.quarantine import FACETS

# It tells of every share that it writes into a result as a float; the shares are ours and small.
logging.getLogger("great_expectations.util").setLevel(logging.ERROR)

MOST_LISTED = 20
# An outage or a new model must show, not stop the day: these only warn.
MOST_ERRORS = 0.20
FEWEST_KNOWN = 0.99
# Providers' tokens run from one character (Korean, code points of emoji) to about six (English prose).
CHARACTERS_PER_TOKEN = (0.5, 12.0)
FEWEST_PLAUSIBLE = 0.95


@dataclass(frozen=True, slots=True)
class Finding:
    """What one expectation found: `n` failing rows, at most 20 of their ids, and what was observed."""

    name: str
    passed: bool
    n: int
    call_ids: tuple[str, ...]
    observed: float


class LandedDays:
    """One Great Expectations context on the warehouse; each day is validated where its rows lie."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._source = self._context.data_sources.add_postgres(
            "warehouse", connection_string=url.sqlalchemy("psycopg2")
        )

    def rows(self, day: date, query: str) -> list[Finding]:
        """Structure, error rate and unknown models of a day's rows."""
        expectations = [
            *(gxe.ExpectColumnValuesToBeNull(column=f"{facet.name}_problem") for facet in FACETS),
            gxe.ExpectColumnMeanToBeBetween(column="is_not_ok", max_value=MOST_ERRORS),
            gxe.ExpectColumnValuesToBeInSet(column="is_known_model", value_set=[True], mostly=FEWEST_KNOWN),
        ]
        names = [*(f"structure/{facet.name}" for facet in FACETS), "error_rate", "known_models"]
        return self._validate(f"rows {day}", query, expectations, names)

    def texts(self, day: date, query: str) -> list[Finding]:
        """Tokens against text length of a day's sampled answers."""
        low, high = CHARACTERS_PER_TOKEN
        expectation = gxe.ExpectColumnValuesToBeBetween(
            column="characters_per_token", min_value=low, max_value=high, mostly=FEWEST_PLAUSIBLE
        )
        return self._validate(f"texts {day}", query, [expectation], ["tokens_match_text"])

    def close(self) -> None:
        """Give the connections back."""
        self._source.get_engine().dispose()

    def _validate(
        self, title: str, query: str, expectations: Sequence[Any], names: Sequence[str]
    ) -> list[Finding]:
        # A text clause would read ':word' in a literal as a parameter.
        asset = self._source.add_query_asset(title, query=query.replace(":", "\\:").replace("\\:\\:", "::"))
        batch = asset.add_batch_definition_whole_table("day").get_batch()
        result_format = {
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["call_id"],
            "partial_unexpected_count": MOST_LISTED,
        }
        outcomes = [batch.validate(one, result_format=result_format) for one in expectations]
        return [_finding(name, outcome) for name, outcome in zip(names, outcomes, strict=True)]


def _finding(name: str, outcome: Any) -> Finding:
    if outcome.exception_info.get("raised_exception"):
        raise RuntimeError(f"expectation {name} could not run: {outcome.exception_info['exception_message']}")
    result = outcome.result
    listed = result.get("partial_unexpected_index_list") or ()
    return Finding(
        name=name,
        passed=bool(outcome.success),
        n=int(result.get("unexpected_count") or 0),
        call_ids=tuple(row["call_id"] for row in listed)[:MOST_LISTED],
        observed=float(result.get("observed_value") or result.get("unexpected_percent") or 0.0),
    )
