"""Observed price tables: one line per model and day on which its prices were seen, in USD per token.

This is the shape of the public price tables of LiteLLM and tokencost. Observations become dated rows: a price
holds from the day it was first seen until the day another one was. Such tables contain mistakes (dollars per
thousand tokens, per character, a fee per request), so implausible observations are left out as if they had
never been made.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from evaluators.pricing.rejects import LONGEST_NAME, PriceFile, Reject, parse_name, parse_price, parse_time
from evaluators.pricing.rows import (
    LAST_SEEN_SOURCE,
    OBSERVED_SOURCE,
    STANDARD,
    PriceRow,
    price_problem,
)

MILLION: Final = Decimal(10**6)
DAY: Final = timedelta(days=1)
JUMP: Final = 50
"""No provider has changed a price by more than 50 times in one step; slips of a unit are 1,000 times."""

MOST: Final = Decimal(1_000)
"""USD per million tokens: the dearest model of these tables costs 600. More is a price per thousand."""

BACK: Final = 10
"""A step of at least 10 times the other way takes a jump back: prices also fell while it stood."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where a column's price belongs in the book."""

    bucket: str
    min_input_tokens: int = 0
    service_tier: str = STANDARD


COLUMNS: Final[dict[str, Column]] = {
    "input_cost_per_token": Column("input_uncached"),
    "output_cost_per_token": Column("output_text"),
    "cache_read_input_token_cost": Column("cache_read"),
    "cache_creation_input_token_cost": Column("cache_write"),
    "input_cost_per_token_batches": Column("input_uncached", service_tier="batch"),
    "output_cost_per_token_batches": Column("output_text", service_tier="batch"),
    "input_cost_per_token_above_200k_tokens": Column("input_uncached", min_input_tokens=200_000),
    "output_cost_per_token_above_200k_tokens": Column("output_text", min_input_tokens=200_000),
    "output_cost_per_reasoning_token": Column("reasoning"),
}

PROVIDERS: Final[dict[str, str]] = {
    "bedrock": "aws",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "moonshot": "moonshotai",
    "together_ai": "together",
    "vertex_ai": "vertex",
    "xai": "x-ai",
    **{name: name for name in ("anthropic", "azure", "azure_ai", "cerebras", "databricks", "deepinfra")},
    **{name: name for name in ("deepseek", "groq", "mistral", "openai", "openrouter", "perplexity")},
}
"""The `provider/` prefixes of model names, as our provider names; other prefixes belong to the name."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One observation of one price; `usd` is per million tokens, None where the cell is blank."""

    line: int
    day: datetime
    usd: Decimal | None


def read_price_history(
    lines: Iterable[tuple[int, Mapping[str, Any]]], *, source: str, recorded_at: datetime
) -> PriceFile:
    """Dated rows of every model and column, and rejects. A 0 is rejected: in such tables it means unknown.

    A table tells of the time up to its own last day. What it saw last may hold on, but is the word that any
    other source overrules: a price of today knows better than one of the year before.
    """
    chains: dict[tuple[str, str], list[_Seen]] = defaultdict(list)
    rejects: list[Reject] = []
    for line, cells in lines:
        model = str(cells.get("model") or "").strip()
        try:
            if not model.rpartition("/")[2]:
                raise ValueError("no model")
            parse_name(model, what="model")
            day = parse_time(cells.get("observed_from"))
        except ValueError as error:
            rejects.append(Reject(line, model[:LONGEST_NAME], str(error)[:LONGEST_NAME]))
            continue
        for column in COLUMNS:
            seen, reason = _seen(line, day, cells.get(column))
            if seen is not None:
                chains[model, column].append(seen)
            else:
                rejects.append(Reject(line, model, f"{column}: {reason}"[:LONGEST_NAME]))
    days = [seen.day for chain in chains.values() for seen in chain]
    end = max(days, default=recorded_at) + DAY
    rows: list[PriceRow] = []
    for (model, column), observations in chains.items():
        chain, twice = _one_a_day(observations)
        rejects += [Reject(line, model, f"{column}: {reason}") for line, reason in twice]
        bad = implausible([seen.usd for seen in chain])
        rejects += [Reject(chain[i].line, model, f"{column}: {reason}") for i, reason in bad.items()]
        kept = [seen for i, seen in enumerate(chain) if i not in bad]
        column_rows = _rows(kept, model=model, column=COLUMNS[column], source=source, recorded_at=recorded_at)
        rows += (part for row in column_rows for part in _cut(row, end=end, source=source))
    return PriceFile(rows, sorted(rejects, key=lambda reject: reject.line))


def _one_a_day(chain: Sequence[_Seen]) -> tuple[list[_Seen], list[tuple[int, str]]]:
    """The observations by day, and the lines of days seen with two prices, none of which is used."""
    by_day: dict[datetime, list[_Seen]] = defaultdict(list)
    for seen in chain:
        by_day[seen.day].append(seen)
    kept: list[_Seen] = []
    bad: list[tuple[int, str]] = []
    for _, of_day in sorted(by_day.items()):
        if len({seen.usd for seen in of_day}) == 1:
            kept.append(of_day[0])
        else:
            bad += [(seen.line, "contradicted: two prices on one day") for seen in of_day]
    return kept, bad


def implausible(prices: Sequence[Decimal | None]) -> dict[int, str]:
    """Positions of prices that cannot be right, by the company they keep, with the reason.

    A step of more than JUMP times that a later step of BACK times takes back: what stood between is wrong
    (`jump_reverts`). One that nothing takes back: what follows is unconfirmed, and if only one price stood
    before it, that one, too (`jump_unconfirmed`): two that contradict each other 50-fold prove nothing.
    """
    known = [(i, price) for i, price in enumerate(prices) if price]
    bad: dict[int, str] = {}
    at = 0
    while at + 1 < len(known):
        (_, before), (_, after) = known[at], known[at + 1]
        if max(before, after) <= JUMP * min(before, after):
            at += 1
            continue
        end = next((j for j in range(at + 2, len(known)) if _is_back(before, after, known[j][1])), len(known))
        reason = "jump_reverts" if end < len(known) else "jump_unconfirmed"
        bad |= {known[j][0]: reason for j in range(at + 1, end)}
        if end == len(known) and at == 0:
            bad[known[0][0]] = reason
        at = end
    return bad


def _is_back(before: Decimal, after: Decimal, later: Decimal) -> bool:
    return later >= BACK * after if after < before else later * BACK <= after


def _seen(line: int, day: datetime, text: str | None) -> tuple[_Seen | None, str]:
    """An observation, or None and why the cell is refused."""
    if not (text or "").strip():
        return _Seen(line, day, None), ""
    try:
        usd = parse_price(text) * MILLION
    except ValueError as error:
        return None, str(error)
    except ArithmeticError:
        return None, "price is beyond all numbers"
    problem = "price is 0" if usd == 0 else price_problem(usd)
    if problem is None and usd > MOST:
        problem = f"price is above ${MOST:,} per million tokens, as no model's is"
    return (None, problem) if problem else (_Seen(line, day, usd), "")


def _rows(
    chain: Sequence[_Seen], *, model: str, column: Column, source: str, recorded_at: datetime
) -> list[PriceRow]:
    """One row per stretch of equal prices; a blank ends a stretch."""
    steps = [seen for i, seen in enumerate(chain) if i == 0 or seen.usd != chain[i - 1].usd]
    prefix, slash, rest = model.partition("/")
    known = slash and prefix in PROVIDERS
    return [
        PriceRow(
            provider=PROVIDERS[prefix] if known else None,
            model=rest if known else model,
            bucket=column.bucket,
            usd_per_million=step.usd,
            min_input_tokens=column.min_input_tokens,
            service_tier=column.service_tier,
            valid_from=step.day,
            valid_to=following.day if following else None,
            recorded_at=recorded_at,
            source=f"{OBSERVED_SOURCE}: {source}",
        )
        for step, following in zip(steps, [*steps, None][1:], strict=True)
        if step.usd is not None
    ]


def _cut(row: PriceRow, *, end: datetime, source: str) -> list[PriceRow]:
    """A row without an end as what the table saw, and what is only left of that after its own end."""
    if row.valid_to is not None:
        return [row]
    after = replace(row, valid_from=end, source=f"{LAST_SEEN_SOURCE}: {source}")
    return [replace(row, valid_to=end), after]
