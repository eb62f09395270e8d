"""Slot-filled texts with the templates they were made from, and how well mined templates match these."""

import json
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from evaluators.patterns.form import form
from evaluators.patterns.matching import SIMILAR, Template
from evaluators.patterns.mining import mine


@dataclass(frozen=True, slots=True)
class Prompt:
    text: str
    template: int

    @property
    def is_held(self) -> bool:
        """Whether it belongs to the half that nothing is tuned on: by its template's hash."""
        return sha256(str(self.template).encode()).digest()[0] % 2 == 1


@dataclass(frozen=True, slots=True)
class Quality:
    """`ari`: Rand index adjusted for chance (Hubert, Arabie 1985); homogeneity and completeness:
    Rosenberg, Hirschberg 2007. All are 1 where the clusters are the templates."""

    n_clusters: int
    n_templates: int
    ari: float
    homogeneity: float
    completeness: float


class Memory:
    """Known templates without a database: found by their bands, each form settled once."""

    def __init__(self, *, similar: float = SIMILAR) -> None:
        self._similar = similar
        self._by_band: dict[int, dict[object, Template]] = {}
        self.settled: dict[str, Template] = {}

    def assign(self, texts: Sequence[str]) -> list[Template]:
        """The templates of a day's texts, in order; matched like the asset does, the commonest form first."""
        forms = [form(text) for text in texts]
        counts: dict[str, int] = {}
        for each in forms:
            counts[each] = counts.get(each, 0) + 1
        new = sorted((each for each in counts if each not in self.settled), key=lambda f: (-counts[f], f))
        for mined in mine(new, look_up=self._look_up, similar=self._similar):
            self.settled[mined.form] = mined.template
            for band in mined.bands or ():
                self._by_band.setdefault(band, {})[mined.template.id] = mined.template
        return [self.settled[each] for each in forms]

    def _look_up(self, keys: Sequence[Sequence[int]]) -> list[list[Template]]:
        return [
            list({each.id: each for band in own for each in self._by_band.get(band, {}).values()}.values())
            for own in keys
        ]


def read_prompts(data: Path) -> list[Prompt]:
    rows = json.loads((data / "pii_synth_v2.json").read_text())
    return [Prompt(row["full_text"], row["template_id"]) for row in rows]


def quality(prompts: Iterable[Prompt], clusters: Iterable[Hashable]) -> Quality:
    from sklearn.metrics import adjusted_rand_score, homogeneity_completeness_v_measure

    true = [each.template for each in prompts]
    numbers: dict[Hashable, int] = {}
    found = [numbers.setdefault(each, len(numbers)) for each in clusters]
    homogeneity, completeness, _ = homogeneity_completeness_v_measure(true, found)
    return Quality(
        len(set(found)), len(set(true)), adjusted_rand_score(true, found), homogeneity, completeness
    )
