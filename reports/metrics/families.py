"""What the metrics page says, as it is asked of a database: queries that give labels and values."""

from dataclasses import dataclass
from typing import LiteralString


@dataclass(frozen=True, slots=True)
class Family:
    """A gauge of the page."""

    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Source:
    """One query. Its first columns are the `labels`; the others are the values of `families`, in turn.

    A value that is NULL has no sample: nothing is known of it. The tables that it reads may be missing,
    before the marts are built; then it says nothing.
    """

    labels: tuple[str, ...]
    families: tuple[Family, ...]
    query: LiteralString


@dataclass(frozen=True, slots=True)
class Database:
    """What is asked of one database, and the gauge that is 1 where it answers."""

    up: Family
    sources: tuple[Source, ...]
