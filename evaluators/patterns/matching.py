"""Which known template a form belongs to: the most similar one, if it is similar enough.

Forms are compared by their pairs of neighbouring words (of neighbouring signs in Han, Kana, Hangul, Thai
and their like, where a word is no unit or carries its particles). Similarity is the share of pairs that two
forms have in common (Jaccard). Candidates come from MinHash bands (Broder 1997; Leskovec, Rajaraman, Ullman,
"Mining of Massive Datasets", chapter 3), so that nothing is compared with all templates.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from uuid import UUID

from evaluators.patterns.cutting import UNSPACED

if TYPE_CHECKING:
    from datasketch import MinHash

SIMILAR: Final = 0.5
"""The least similarity of a form to its template's form."""

N_BANDS: Final = 20
ROWS: Final = 3
"""Three values a band: two forms of similarity .5 share a band of 20 in 93 % of cases, of .6 in 99 %."""

_UNITS = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")


@dataclass(frozen=True, slots=True)
class Template:
    """A known template: its id, and the form it was made from."""

    id: UUID
    form: str


def template_id(kind: str, *parts: str) -> UUID:
    """The id of a template, the same in every process and database: 122 bits over what it is made from."""
    text = "\0".join([kind, *parts]).encode("utf-8", "surrogatepass")
    digest = bytearray(blake2b(text, digest_size=16).digest())
    # Version 8 of RFC 9562, which Python makes from 3.14 on.
    digest[6], digest[8] = digest[6] & 0x0F | 0x80, digest[8] & 0x3F | 0x80
    return UUID(bytes=bytes(digest))


def pairs(form: str) -> frozenset[str]:
    """The pairs of neighbours in a form; a form of one unit has that alone."""
    units = form.split() if form.isascii() else _UNITS.findall(form)
    return frozenset(map(" ".join, pairwise(units))) or frozenset(units)


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard's index, 0–1."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def bands(form: str) -> list[int]:
    """Twenty keys (signed 64 bits); forms that share one may be similar, others are not compared."""
    sketch = _empty_sketch().copy()
    sketch.update_batch([pair.encode("utf-8", "surrogatepass") for pair in pairs(form)])
    values = sketch.hashvalues
    return [
        int.from_bytes(
            blake2b(
                bytes([band]) + values[band * ROWS : (band + 1) * ROWS].astype("<u8").tobytes(), digest_size=8
            ).digest(),
            "little",
            signed=True,
        )
        for band in range(N_BANDS)
    ]


def best_match(form: str, candidates: Iterable[Template], *, similar: float = SIMILAR) -> Template | None:
    """The most similar candidate that is similar enough; of equal ones that with the smallest id."""
    own = pairs(form)
    found = [(-similarity(own, pairs(each.form)), each.id, each) for each in candidates]
    best = min(found, key=lambda each: each[:2], default=None)
    return best[2] if best and -best[0] >= similar else None


@cache
def _empty_sketch() -> "MinHash":
    # Imported late: it brings numpy and scipy. The scheme is named because bands are kept in the database.
    from datasketch import MinHash

    return MinHash(num_perm=N_BANDS * ROWS, seed=1, scheme="affine32")
