"""What pairwise verdicts add up to: win rates with intervals, flips, and what length alone would say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluators.statistics.estimate import Estimate
from evaluators.statistics.weighted import weighted_rate

Choice = Literal["first", "second", "tie"]
Winner = Literal["candidate", "baseline", "tie"]


@dataclass(frozen=True, slots=True)
class Settled:
    """What both orders together say. `winner` is None where one of them gave no verdict: no loss, no tie.

    `is_flip`: the two orders disagree. `preferred_place` is then the place that won in both, if one did.
    """

    winner: Winner | None
    is_flip: bool = False
    preferred_place: Literal["first", "second"] | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A settled pair with what it is clustered on and how long its answers are (characters)."""

    settled: Settled
    cluster: str
    candidate_length: int
    baseline_length: int


@dataclass(frozen=True, slots=True)
class WinRates:
    """Shares with 95 % intervals clustered on the prompt; each `n` is what the share is of.

    `ties_half`: a tie counts as half a win, of all settled pairs. `without_ties`: of pairs with a winner.
    `flips`: of all settled pairs, those whose orders disagree (they are ties, too). `longest_wins`: of pairs
    with a winner and answers of different length, those that the longer one won; 0.5 is no preference, and
    "the longer is better" alone agrees with people in 62 % (AlpacaEval). `first_place`: of flips that prefer
    a place, those that prefer the first one shown.
    """

    ties_half: Estimate
    without_ties: Estimate
    flips: Estimate
    longest_wins: Estimate
    first_place: Estimate


def settle(candidate_first: Choice | None, baseline_first: Choice | None) -> Settled:
    """One outcome of both orders: a winner is who wins in both; disagreement is a tie, and counted.

    The rule of MT-Bench (Zheng et al. 2023, arXiv 2306.05685, section 3.4). None is an order without verdict.
    """
    if candidate_first is None or baseline_first is None:
        return Settled(None)
    said: Winner = _WINNER[candidate_first]
    said_again: Winner = _OTHER[_WINNER[baseline_first]]
    if said == said_again:
        return Settled(said)
    place = candidate_first if candidate_first == baseline_first and candidate_first != "tie" else None
    return Settled("tie", is_flip=True, preferred_place=place)


def win_rates(pairs: Sequence[Pair]) -> WinRates:
    """The shares of what is settled; a pair without a winner for want of a verdict counts nowhere."""
    settled = [pair for pair in pairs if pair.settled.winner is not None]
    decided = [pair for pair in settled if pair.settled.winner != "tie"]
    uneven = [pair for pair in decided if pair.candidate_length != pair.baseline_length]
    placed = [pair for pair in settled if pair.settled.preferred_place is not None]
    return WinRates(
        ties_half=_rate(settled, of=_points),
        without_ties=_rate(decided, of=_points),
        flips=_rate(settled, of=lambda pair: float(pair.settled.is_flip)),
        longest_wins=_rate(uneven, of=_longest_won),
        first_place=_rate(placed, of=lambda pair: float(pair.settled.preferred_place == "first")),
    )


_WINNER: dict[Choice, Winner] = {"first": "candidate", "second": "baseline", "tie": "tie"}
"""Of the order that shows the candidate first."""
_OTHER: dict[Winner, Winner] = {"candidate": "baseline", "baseline": "candidate", "tie": "tie"}


def _points(pair: Pair) -> float:
    return {"candidate": 1.0, "tie": 0.5}.get(pair.settled.winner or "", 0.0)


def _longest_won(pair: Pair) -> float:
    is_candidate_longer = pair.candidate_length > pair.baseline_length
    return float(is_candidate_longer == (pair.settled.winner == "candidate"))


def _rate(pairs: Sequence[Pair], *, of: Callable[[Pair], float]) -> Estimate:
    # Numbers in place of names: an array of texts would cut NULs off their ends.
    numbers: dict[str, int] = {}
    clusters = [numbers.setdefault(pair.cluster, len(numbers)) for pair in pairs]
    return weighted_rate(np.asarray([of(pair) for pair in pairs], dtype=np.float64), clusters=clusters)
