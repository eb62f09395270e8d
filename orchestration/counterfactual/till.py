"""The till of a replay: what may still be asked, and what each exchange has cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from evaluators.judging.asking import Judgement
from evaluators.judging.exchanges import Attempt as JudgeAttempt
from evaluators.judging.items import JudgeItem
from ingest.call import Attempt, Call
from ingest.providers.answers import SERVICE_TIER_TAG
from orchestration.comparison.endpoints import Endpoint
from orchestration.comparison.items import EvalItem, digest_of
from orchestration.counterfactual.claims import Claim, Claims
from orchestration.counterfactual.rates import Rates, recorded_item
from orchestration.judging.judges import Judge
from orchestration.judging.landing import judge_call_id

# What the HTTP client calls a request that never reached its endpoint.
_NOT_SENT = frozenset({"no answer (ConnectError)", "no answer (ConnectTimeout)"})


@dataclass(slots=True)
class ReplayTill:
    """Sets aside what an answer may cost, and room for its grades, so that answers that are paid for can be
    judged, too. Implements `orchestration.comparison.till.Till`."""

    claims: Claims
    rates: Rates
    _room: dict[Claim, dict[str, Decimal]] = field(default_factory=dict[Claim, dict[str, Decimal]])

    def admit_answer(self, item: EvalItem, endpoint: Endpoint) -> str | None:
        guess = self.rates.answer(endpoint, item, output_tokens=self.rates.max_tokens)
        room = self._room_for(item)
        claim = _answer_claim(item, endpoint)
        held = sum(room.values(), Decimal(0))
        why = self.claims.admit(claim, most_usd=guess.most_usd, held_usd=held)
        if why is None:
            self._room[claim] = room
        return why

    def settle_answer(self, item: EvalItem, endpoint: Endpoint, calls: Sequence[Call]) -> Decimal | None:
        (call,) = calls
        claim = _answer_claim(item, endpoint)
        usd = self.rates.models[endpoint.name].paid(
            call.usage,
            served_model=call.served_model or endpoint.model,
            at=call.started_at,
            answered_tier=(call.tags or {}).get(SERVICE_TIER_TAG),
        )
        usd = _unbilled(call.attempts) if usd is None else usd
        room = self._room.pop(claim)
        if call.output_text is None:
            self.claims.give_back(sum(room.values(), Decimal(0)))
        else:
            self.claims.keep_room({(str(call.call_id), name): usd for name, usd in room.items()})
        self.claims.settle(claim, usd, call_id=call.call_id)
        return usd

    def refund_answer(self, item: EvalItem, endpoint: Endpoint) -> None:
        claim = _answer_claim(item, endpoint)
        self.claims.give_back(sum(self._room.pop(claim).values(), Decimal(0)))
        self.claims.refund(claim)

    def admit_judging(self, judge: Judge, item: JudgeItem) -> str | None:
        guess = self.rates.grade(judge.evaluator, item)
        assert guess is not None, "an item that is worth a question"
        self.claims.use_room((item.call_id, judge.evaluator))
        claim = Claim("judge", self._name(judge), item.content_hash)
        return self.claims.admit(claim, most_usd=guess.most_usd)

    def settle_judging(self, judge: Judge, judgement: Judgement, usd: Decimal | None) -> None:
        claim = Claim("judge", self._name(judge), judgement.content_hash)
        known = _unbilled(judgement.attempts) if usd is None else usd
        self.claims.settle(claim, known, call_id=judge_call_id(judgement))

    def refund_judging(self, judge: Judge) -> None:
        for claim in self.claims.open_of(self._name(judge)):
            self.claims.refund(claim)

    def _room_for(self, item: EvalItem) -> dict[str, Decimal]:
        """What the grades of an answer of the longest allowed length will cost at most, by evaluator."""
        recorded = recorded_item(item, (item.recorded or ("",))[-1] or "-")
        guesses = {
            name: self.rates.grade(name, recorded, more_tokens=self.rates.max_tokens)
            for name in self.rates.judges
        }
        return {name: guess.most_usd for name, guess in guesses.items() if guess is not None}

    def _name(self, judge: Judge) -> str:
        return f"{judge.evaluator} {self.rates.specs[judge.evaluator].version} {judge.model}"


def _answer_claim(item: EvalItem, endpoint: Endpoint) -> Claim:
    return Claim("replay", endpoint.name, digest_of([endpoint.request_hash(item).hex(), item.item_id]))


def _unbilled(attempts: Sequence[Attempt] | Sequence[JudgeAttempt]) -> Decimal | None:
    """0 where every attempt was refused or never sent; None where one may have been billed unseen."""
    return Decimal(0) if all(_is_free(each) for each in attempts) else None


def _is_free(attempt: Attempt | JudgeAttempt) -> bool:
    if attempt.status is not None:
        return attempt.status >= 400
    told = attempt.error_type if isinstance(attempt, Attempt) else attempt.error
    return told in _NOT_SENT
