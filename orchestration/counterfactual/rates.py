"""What a request of a replay may cost at most, and about how much it will."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.asking import build_messages, unscorable
from evaluators.judging.items import JudgeItem
from evaluators.judging.judge import JudgeSpec
from orchestration.comparison.endpoints import Endpoint
from orchestration.comparison.items import EvalItem
from orchestration.counterfactual.errors import ReplayError
from orchestration.judging.judges import Judge
from orchestration.judging.prices import JudgePrices, ModelPrices, input_tokens, most_tokens, tokens_of

FORM_TOKENS: Final = 512
"""More than a verdict's JSON schema adds to a question, which providers count as input."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A request before it is sent: tokens and USD as they will about be, and USD that it cannot exceed
    where the endpoint keeps to the limit of output tokens that it is given."""

    input_tokens: int
    output_tokens: int
    usd: Decimal
    most_usd: Decimal


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices of the models (by name) and judges (by evaluator) of a replay, all of which are known, and what
    each judge asks.

    `max_tokens` is the limit of each answer.
    """

    models: Mapping[str, ModelPrices]
    judges: Mapping[str, JudgePrices]
    specs: Mapping[str, JudgeSpec]
    max_tokens: int

    @property
    def version(self) -> int:
        """The newest price version of all books."""
        return max(each.version for each in [*self.models.values(), *self.judges.values()])

    def answer(self, endpoint: Endpoint, item: EvalItem, *, output_tokens: int) -> Guess:
        """An answer that is expected to have so many tokens."""
        prices, texts = self.models[endpoint.name], [turn.text for turn in item.opening]
        asked, said = sum(map(tokens_of, texts)), min(output_tokens, self.max_tokens)
        return Guess(
            asked,
            said,
            _usd(prices.cost(asked, said)),
            _usd(prices.cost(most_tokens(texts), self.max_tokens)),
        )

    def grade(self, evaluator: str, item: JudgeItem, *, more_tokens: int = 0) -> Guess | None:
        """A grade of an answer that may be longer by `more_tokens`; None where none would be asked for."""
        spec, prices = self.specs[evaluator], self.judges[evaluator]
        if unscorable(spec, item) is not None:
            return None
        asked = input_tokens(spec, item)
        texts = [message["content"] for message in build_messages(spec, item)]
        most = prices.cost(most_tokens(texts) + FORM_TOKENS + more_tokens, spec.max_tokens or 0)
        return Guess(asked, prices.output_tokens, _usd(prices.estimate(asked)), _usd(most))


def find_rates(
    connection: Connection[TupleRow],
    endpoints: Sequence[Endpoint],
    judges: Sequence[Judge],
    *,
    max_tokens: int,
) -> Rates:
    """The prices of all that will be asked. Raises ReplayError where one has none."""
    models = {
        each.name: ModelPrices(connection, provider=each.provider, model=each.model) for each in endpoints
    }
    graders = {judge.evaluator: JudgePrices(connection, judge) for judge in judges}
    for name, prices in [*models.items(), *((judge.judge, graders[judge.evaluator]) for judge in judges)]:
        if prices.cost(1_000, 1_000) is None:
            raise ReplayError(f"{name} has no price, which a budget in USD needs (`lqo prices import`)")
    specs = {judge.evaluator: judge.spec for judge in judges}
    if judge := next((judge for judge in judges if not specs[judge.evaluator].max_tokens), None):
        raise ReplayError(
            f"the judge {judge.judge} has no limit of tokens, which a budget needs (max_tokens)"
        )
    return Rates(models, graders, specs, max_tokens)


def recorded_item(item: EvalItem, answer: str) -> JudgeItem:
    """A prompt with an answer, as a judge would be asked about it."""
    return JudgeItem(
        call_id=item.item_id, started_at=datetime.now(UTC), conversation=item.opening, answer=answer
    )


def _usd(amount: Decimal | None) -> Decimal:
    assert amount is not None, "a model whose price was known"
    return amount
