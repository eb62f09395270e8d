"""Groups of texts that mean about the same, which stay what they are as new texts come."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from evaluators.meaning.embedding import Vectors

ALIKE: Final = 0.9
"""The least cosine of a text to the text that leads its group; of this model unrelated texts have 0.7–0.8."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """For each text, in order, the leader of its group: a number of `leaders` (those given come first, then
    those found). `found` are the numbers of the texts that lead a new group."""

    leader: tuple[int, ...]
    found: tuple[int, ...]


def group(vectors: Vectors, *, leaders: Vectors | None = None, alike: float = ALIKE) -> Grouping:
    """Each text joins the group whose leader is nearest, if that is near enough, else it leads a new one.

    `vectors` and `leaders` are unit vectors, n by d. A leader never changes, so no text moves between groups
    when later ones come; of equally near leaders the first is taken.
    """
    known: list[np.ndarray] = [] if leaders is None else list(leaders)
    members: list[int] = []
    found: list[int] = []
    for number, vector in enumerate(vectors):
        cosines = np.stack(known) @ vector if known else np.empty(0)
        nearest = int(np.argmax(cosines)) if known else -1
        if nearest < 0 or cosines[nearest] < alike:
            nearest = len(known)
            known.append(vector)
            found.append(number)
        members.append(nearest)
    return Grouping(tuple(members), tuple(found))
