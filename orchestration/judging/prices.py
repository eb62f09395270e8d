"""What calls to a model cost: before they are made, as an estimate; after, by their usage."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.exchanges import read_document
from ingest.providers.answers import TIER, tier_of
from orchestration.judging.judges import Judge
from orchestration.judging.landing import ENDPOINT

if TYPE_CHECKING:
    from evaluators.judging.asking import Judgement
    from evaluators.judging.items import JudgeItem
    from evaluators.judging.judge import JudgeSpec
    from evaluators.pricing.book import PriceBook

OUTPUT_TOKENS: Final = 229
"""Mean of AlpacaEval's recorded judge calls; the judge's own mean takes its place once there is one."""

TURN_TOKENS: Final = 16
"""More than any chat template puts around a turn (role, begin, end)."""

SEEN_TOKENS: LiteralString = """
select avg((usage ->> 'completion_tokens')::float8)
from (
    select usage from evaluation.verdicts
    where evaluator_version_id = %s and jsonb_typeof(usage -> 'completion_tokens') = 'number'
    order by judged_at desc
    limit 1000
) as seen
"""


class ModelPrices:
    """Prices of one model, by the price book as it was when the run began."""

    def __init__(
        self, connection: Connection[TupleRow], *, provider: str, model: str, service_tier: str | None = None
    ) -> None:
        """Copies what genai-prices knows of the model into the book, if that has not been done."""
        from orchestration.cost.price_book import ensure_snapshots, load_book

        self._provider, self._model, self._tier = provider, model, service_tier
        ensure_snapshots(connection, [(provider, model)])
        self._book: PriceBook = load_book(connection)

    @property
    def version(self) -> int:
        """The newest price version in the book."""
        return self._book.version

    def paid(
        self,
        usage: Mapping[str, Any] | None,
        *,
        served_model: str,
        at: datetime,
        answered_tier: str | None = None,
    ) -> Decimal | None:
        """USD that an answer of this usage cost; None where nobody can say.

        `answered_tier` is the service tier that the answer names; what was sent as a batch is one.
        """
        tier = self._tier if self._tier == "batch" else answered_tier or self._tier
        found = self._price(usage, model=served_model, at=at, service_tier=tier)
        if found is None and served_model != self._model:
            found = self._price(usage, model=self._model, at=at, service_tier=tier)
        return found

    def cost(self, input_tokens: int, output_tokens: int) -> Decimal | None:
        """USD that a call of this many tokens costs now, None where the model has no price.

        Where its batches have none, the ordinary price is the most that they can cost.
        """
        usage = {
            "prompt_tokens": input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
        }
        at = datetime.now(UTC)
        found = self._price(usage, model=self._model, at=at, service_tier=self._tier)
        if found is None and self._tier is not None:
            found = self._price(usage, model=self._model, at=at, service_tier=None)
        return found

    def _price(
        self, usage: Mapping[str, Any] | None, *, model: str, at: datetime, service_tier: str | None
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


class JudgePrices(ModelPrices):
    """Prices of one judge's model, and how long its answers are."""

    def __init__(self, connection: Connection[TupleRow], judge: Judge) -> None:
        super().__init__(
            connection, provider=judge.provider, model=judge.model, service_tier=judge.service_tier
        )
        with connection.transaction():
            row = connection.execute(SEEN_TOKENS, (judge.evaluator_version_id,)).fetchone()
        self.output_tokens = int(row[0]) if row and row[0] is not None else OUTPUT_TOKENS

    @property
    def is_known(self) -> bool:
        """Whether a call now has a price at all."""
        return self.estimate(1_000) is not None

    def of(self, judgement: "Judgement") -> Decimal | None:
        """USD that the exchange cost; 0 where nobody was asked, None where nobody can say."""
        if judgement.asked_at is None:
            return Decimal(0)
        return self.paid(
            judgement.usage,
            served_model=judgement.judge_model,
            at=judgement.asked_at,
            answered_tier=tier_of(read_document(judgement.raw_response).get(TIER)),
        )

    def estimate(self, input_tokens: int, *, output_tokens: int | None = None) -> Decimal | None:
        """USD that a question of this many tokens costs now, with an answer of the usual length."""
        return self.cost(input_tokens, self.output_tokens if output_tokens is None else output_tokens)


def input_tokens(spec: "JudgeSpec", item: "JudgeItem") -> int:
    """About how many tokens the question has: four bytes each, three where they are not ASCII."""
    from evaluators.judging.asking import build_messages

    return sum(tokens_of(message["content"]) for message in build_messages(spec, item))


def tokens_of(text: str) -> int:
    """About how many tokens a turn of a chat has."""
    n_bytes = len(text.encode("utf-8", "surrogatepass"))
    return n_bytes // (4 if n_bytes == len(text) else 3) + 4


def most_tokens(texts: Iterable[str]) -> int:
    """No tokenizer makes more of a chat's texts: a token is at least a byte, and a turn adds a few."""
    return sum(len(text.encode("utf-8", "surrogatepass")) + TURN_TOKENS for text in texts)
