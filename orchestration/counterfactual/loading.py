"""The prompts of a sample with what was answered then, and what that would cost now."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.pricing.book import PriceBook, price
from evaluators.pricing.rows import Charge
from ingest.landing.stated_tier import stated_tier
from ingest.providers.lenient import read_object
from orchestration.comparison.items import EvalItem
from orchestration.comparison.sampling import call_item, read_body
from orchestration.cost.price_book import ensure_snapshots, load_book
from orchestration.counterfactual.drawing import Draw, Drawn

_BLOCK = 500
# A request with these asks for more than a text, and a text alone would be another question.
_MORE_THAN_TEXT = ("tools", "functions", "response_format")
_NOT_TEXT = (
    b'"image_url"',
    b'"input_image"',
    b'"input_audio"',
    b'"input_file"',
    b'"inlineData"',
    b'"media_type"',
)

_TEXTS: LiteralString = f"""
select
    calls.call_id,
    calls.requested_model,
    calls.provider,
    coalesce(calls.served_model, calls.requested_model),
    calls.endpoint,
    calls.usage,
    {stated_tier()},
    bodies.request,
    bodies.input_text,
    bodies.output_text
from unnest(%(times)s::timestamptz[], %(ids)s::uuid[]) as drawn (started_at, call_id)
inner join raw.llm_calls as calls
    on calls.started_at = drawn.started_at
    and calls.call_id = drawn.call_id
    and calls.started_at >= %(first)s
    and calls.started_at <= %(last)s
inner join raw.llm_bodies as bodies
    on bodies.started_at = calls.started_at
    and bodies.call_id = calls.call_id
    and bodies.started_at >= %(first)s
    and bodies.started_at <= %(last)s
"""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A recorded prompt: what is asked, its stratum, who answered it, and what that costs at today's prices
    (None where nobody can say). `output_tokens` are those of the recorded answer, None where not told."""

    item: EvalItem
    stratum: str
    provider: str
    model: str
    usd: Decimal | None
    output_tokens: int | None


def load_prompts(
    connection: Connection[TupleRow], draw: Draw, *, at: datetime
) -> tuple[tuple[Prompt, ...], dict[str, int]]:
    """The sample's prompts in its order, and how many of it cannot be replayed, by reason.

    The recorded answers are priced by their own usage at the prices of `at`, as the candidates' will be: what
    a price was then is no reason to choose a model now.
    """
    rows = _rows(connection, draw.calls)
    prompts: list[Prompt] = []
    left_out: dict[str, int] = {}
    with_prices = _Prices(connection, list(rows.values()), at=at)
    for drawn in draw.calls:
        row = rows.get(str(drawn.call_id))
        found = "text is gone" if row is None else _prompt(row, drawn, with_prices)
        if isinstance(found, str):
            left_out[found] = left_out.get(found, 0) + 1
        else:
            prompts.append(found)
    return tuple(prompts), left_out


class _Prices:
    """Recorded usage at the prices of one moment."""

    def __init__(self, connection: Connection[TupleRow], rows: Sequence[TupleRow], *, at: datetime) -> None:
        ensure_snapshots(connection, sorted({(row[2], row[3]) for row in rows}))
        self._book: PriceBook = load_book(connection)
        self._at = at

    def of(self, row: TupleRow) -> tuple[Decimal | None, int | None]:
        """USD of the recorded usage, and its output tokens."""
        _, _, provider, model, endpoint, usage, tier, *_ = row
        found = price(
            usage,
            provider=provider,
            model=model,
            at=self._at,
            book=self._book,
            endpoint=endpoint,
            service_tier=tier,
        )
        if not isinstance(found, Charge):
            return None, None
        return found.amount_usd, found.buckets.output_text + found.buckets.reasoning


def _prompt(row: TupleRow, drawn: Drawn, prices: _Prices) -> Prompt | str:
    call_id, requested, provider, model, _, _, _, request, input_text, output_text = row
    body = read_body(request)
    if body is not None and _asks_for_more(body):
        return "asks for more than a text"
    item = call_item(str(call_id), requested, request, input_text, output_text)
    if item is None or not any(turn.text.strip() for turn in item.opening if turn.role == "user"):
        return "no prompt"
    # Judges are shown calls by the time they were made; the price is that of now.
    usd, output_tokens = prices.of(row)
    return Prompt(replace(item, source_model=requested), drawn.stratum, provider, model, usd, output_tokens)


def _asks_for_more(body: bytes) -> bool:
    if any(sign in body for sign in _NOT_TEXT):
        return True
    request: dict[str, Any] = read_object(body)
    return any(request.get(name) for name in _MORE_THAN_TEXT)


def _rows(connection: Connection[TupleRow], calls: Sequence[Drawn]) -> dict[str, TupleRow]:
    found: dict[str, TupleRow] = {}
    ordered = sorted(calls, key=lambda call: (call.started_at, call.call_id))
    for start in range(0, len(ordered), _BLOCK):
        block = ordered[start : start + _BLOCK]
        given = {
            "times": [call.started_at for call in block],
            "ids": [call.call_id for call in block],
            "first": block[0].started_at,
            "last": block[-1].started_at,
        }
        with connection.transaction(), connection.cursor() as cursor:
            found |= {str(row[0]): row for row in cursor.execute(_TEXTS, given, binary=True)}
    return found
