"""What sways a judge of pairs besides quality: the place, the length, its own kin.

A preference alone proves no bias, since people, too, prefer some longer answers. So where people have judged
the same pairs, the judge's preference is given beside theirs, and the difference with its interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evaluators.statistics.correlation import spearman
from evaluators.statistics.differences import paired_difference
from evaluators.statistics.estimate import Estimate, unknown
from evaluators.statistics.weighted import weighted_rate

Winner = Literal["a", "b", "tie"]

# Of what a model's name begins with, whose it is. Models tuned on another's answers are no kin: their makers
# differ, and what they have learnt of its style is what the probe is to show.
FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("openai", ("gpt", "chatgpt", "o1", "o3", "o4", "text-davinci")),
    ("anthropic", ("claude",)),
    ("google", ("gemini", "gemma", "palm", "bard")),
    ("meta", ("llama", "meta-llama")),
    ("mistral", ("mistral", "mixtral", "ministral", "magistral", "codestral")),
    ("alibaba", ("qwen", "qwq")),
    ("deepseek", ("deepseek",)),
    ("cohere", ("command", "c4ai")),
    ("xai", ("grok",)),
)


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """Two answers to one prompt, `a` and `b`; who won by the judge (both orders settled) and by people.

    `judge` is None where it gave no verdict, `human` where nobody judged or people are undecided. `is_flip`:
    the orders disagree, None where only one was asked. Lengths are in characters, 0 where not known.
    """

    model_a: str
    model_b: str
    cluster: str
    judge: Winner | None
    human: Winner | None = None
    is_flip: bool | None = None
    length_a: int = 0
    length_b: int = 0


@dataclass(frozen=True, slots=True)
class Preference:
    """How often the judge chose one side, how often people did on the same pairs, and the judge's excess.

    `of_judge` is of all pairs that it decided; `excess` and `of_people` are of those that people decided,
    too. An excess whose interval excludes 0 is a bias.
    """

    of_judge: Estimate
    of_people: Estimate
    excess: Estimate


def flip_rate(pairs: Sequence[JudgedPair]) -> Estimate:
    """Of pairs asked in both orders and answered in both: the share whose winner changed with the order."""
    asked = [pair for pair in pairs if pair.is_flip is not None and pair.judge is not None]
    flips = np.asarray([bool(pair.is_flip) for pair in asked], dtype=np.bool_)
    return weighted_rate(flips, clusters=_clusters(asked)) if asked else unknown()


def length_preference(pairs: Sequence[JudgedPair]) -> Preference:
    """How often the longer answer wins where one does; "longest wins" alone agrees with 62 % of people."""
    known = [pair for pair in pairs if pair.length_a and pair.length_b]
    uneven = [pair for pair in known if pair.length_a != pair.length_b]
    return _preference(uneven, ["a" if pair.length_a > pair.length_b else "b" for pair in uneven])


def score_by_length(pairs: Sequence[JudgedPair]) -> Estimate:
    """Spearman's rho of the judge's verdict (a 1, tie 0, b -1) and the difference of the lengths."""
    judged = [pair for pair in pairs if pair.judge is not None and pair.length_a and pair.length_b]
    if not judged:
        return unknown()
    points = [{"a": 1.0, "tie": 0.0, "b": -1.0}[pair.judge or "tie"] for pair in judged]
    lengths = [float(pair.length_a - pair.length_b) for pair in judged]
    return spearman(points, lengths, clusters=_clusters(judged))


def self_preference(pairs: Sequence[JudgedPair], *, judge_model: str) -> Preference:
    """How often the judge's own family wins, where exactly one of the two is of it."""
    family = family_of(judge_model)
    kin = [
        (pair, family_of(pair.model_a) == family)
        for pair in pairs
        if family is not None and (family_of(pair.model_a) == family) != (family_of(pair.model_b) == family)
    ]
    return _preference([pair for pair, _ in kin], ["a" if is_a else "b" for _, is_a in kin])


def family_of(model: str) -> str | None:
    """Whose model a name is, None where it does not say; a provider's prefix (`openai/…`) is passed over."""
    name = model.lower().rsplit("/", 1)[-1]
    return next((family for family, starts in FAMILIES if name.startswith(starts)), None)


def _preference(pairs: Sequence[JudgedPair], sides: Sequence[Winner]) -> Preference:
    decided = [(p, side) for p, side in zip(pairs, sides, strict=True) if p.judge in ("a", "b")]
    both = [(pair, side) for pair, side in decided if pair.human in ("a", "b")]
    clusters = _clusters([pair for pair, _ in decided])
    by_judge = np.asarray([pair.judge == side for pair, side in decided], dtype=np.bool_)
    of_judge = weighted_rate(by_judge, clusters=clusters) if decided else unknown()
    if not both:
        return Preference(of_judge, unknown(), unknown())
    shared = _clusters([pair for pair, _ in both])
    ours = np.asarray([pair.judge == side for pair, side in both], dtype=np.float64)
    people = np.asarray([pair.human == side for pair, side in both], dtype=np.float64)
    return Preference(
        of_judge,
        weighted_rate(people, clusters=shared),
        paired_difference(ours, people, clusters=shared),
    )


def _clusters(pairs: Sequence[JudgedPair]) -> NDArray[np.str_]:
    return np.asarray([pair.cluster for pair in pairs], dtype=np.str_)
