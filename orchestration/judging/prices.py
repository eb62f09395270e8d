"""What a judge's calls cost: before they are made, as an estimate; after, by their usage."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.judging.judges import Judge
from orchestration.judging.landing import ENDPOINT

if TYPE_CHECKING:
    from evaluators.judging.asking import Judgement
    from evaluators.judging.items import JudgeItem
    from evaluators.judging.judge import JudgeSpec
    from evaluators.pricing.book import PriceBook

OUTPUT_TOKENS: Final = 229
"""Mean of AlpacaEval's recorded judge calls; the judge's own mean takes its place once there is one."""

SEEN_TOKENS: LiteralString = """
select avg((usage ->> 'completion_tokens')::float8)
from (
    select usage from evaluation.verdicts
    where evaluator_version_id = %s and jsonb_typeof(usage -> 'completion_tokens') = 'number'
    order by judged_at desc
    limit 1000
) as seen
"""


class JudgePrices:
    """Prices of one judge's model, by the price book as it was when the run began."""

    def __init__(self, connection: Connection[TupleRow], judge: Judge) -> None:
        """Copies what genai-prices knows of the model into the book, if that has not been done."""
        from orchestration.price_book import ensure_snapshots, load_book

        self._provider, self._model, self._tier = judge.provider, judge.model, judge.service_tier
        ensure_snapshots(connection, [(judge.provider, judge.model)])
        self._book: PriceBook = load_book(connection)
        with connection.transaction():
            row = connection.execute(SEEN_TOKENS, (judge.evaluator_version_id,)).fetchone()
        self.output_tokens = int(row[0]) if row and row[0] is not None else OUTPUT_TOKENS

    @property
    def is_known(self) -> bool:
        """Whether a call now has a price at all."""
        return self.estimate(1_000) is not None

    def of(self, judgement: "Judgement") -> Decimal | None:
        """USD that the exchange cost; 0 where nobody was asked, None where nobody can say."""
        usage, at = judgement.usage, judgement.asked_at
        if at is None:
            return Decimal(0)
        found = self._price(usage, model=judgement.judge_model, at=at, service_tier=self._tier)
        if found is None and judgement.judge_model != self._model:
            found = self._price(usage, model=self._model, at=at, service_tier=self._tier)
        return found

    def estimate(self, input_tokens: int, *, output_tokens: int | None = None) -> Decimal | None:
        """USD that a call of this many tokens costs now, None where the model has no price.

        Where its batches have none, the ordinary price is the most that they can cost.
        """
        output = self.output_tokens if output_tokens is None else output_tokens
        usage = {
            "prompt_tokens": input_tokens,
            "completion_tokens": output,
            "total_tokens": input_tokens + output,
        }
        at = datetime.now(UTC)
        found = self._price(usage, model=self._model, at=at, service_tier=self._tier)
        if found is None and self._tier is not None:
            found = self._price(usage, model=self._model, at=at, service_tier=None)
        return found

    def _price(
        self, usage: Mapping[str, Any], *, model: str, at: datetime, service_tier: str | None
    ) -> Decimal | None:
        from evaluators.pricing.book import price
        from evaluators.pricing.rows import Charge

        found = price(
            usage or None,
            provider=self._provider,
            model=model,
            at=at,
            book=self._book,
            endpoint=ENDPOINT,
            service_tier=service_tier,
        )
        return found.amount_usd if isinstance(found, Charge) else None


def input_tokens(spec: "JudgeSpec", item: "JudgeItem") -> int:
    """About how many tokens the question has: four bytes each, three where they are not ASCII."""
    from evaluators.judging.asking import build_messages

    return sum(_tokens(message["content"]) for message in build_messages(spec, item))


def _tokens(text: str) -> int:
    n_bytes = len(text.encode("utf-8", "surrogatepass"))
    return n_bytes // (4 if n_bytes == len(text) else 3) + 4
