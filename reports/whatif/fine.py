"""Prices so fine that amounts of single attempts are rounded: their sum, from sums of tokens.

An amount is rounded to 12 places, half to even. Where every rate is a whole number of 10^-12 USD nothing ever
is, and a group costs what its tokens cost. A finer rate leaves each attempt a remainder of its own, which the
tokens added up no longer tell. Of a rate only what is left of it modulo 2 · 10^-12 USD makes remainders: all
else is an even number of 10^-12 USD a token, which moves a rounded amount by just as much. So the database
rounds and adds up what the attempts cost at these remainders, in whole numbers of 64 bits (a billion tokens
of each bucket are 2 · 10^16), and the rest is one multiplication a group.
"""

from decimal import Decimal
from typing import Final

from evaluators.pricing.book import to_dollars
from evaluators.usage import BUCKETS
from evaluators.usage_shapes import Counts

ATTO_PER_PICO: Final = 10**6
EVEN: Final = 2 * ATTO_PER_PICO

Rates = tuple[int, ...]
"""10^-18 USD for a recorded token of each bucket, in the order of BUCKETS."""


def is_fine(rates: Rates, counts: Counts) -> bool:
    """Whether an attempt with tokens in these buckets may have to be rounded."""
    return any(tokens and rate % ATTO_PER_PICO for tokens, rate in zip(counts, rates, strict=True))


def remainders(rates: Rates) -> Rates:
    """What is left of the rates: many prices share it, and the database adds it up once for all of them."""
    return tuple(rate % EVEN for rate in rates)


def rounded_sql(rates: Rates) -> str:
    """SQL of what an attempt costs at remainders of rates, rounded half to even, in 10^-12 USD."""
    parts = [f"{rate}::bigint * {name}" for name, rate in zip(BUCKETS, rates, strict=True) if rate]
    cost = "(" + " + ".join(parts) + ")"
    # Half and less ends below the next whole number; half itself reaches it from an odd one.
    return f"({cost} + {ATTO_PER_PICO // 2 - 1} + ({cost} / {ATTO_PER_PICO} & 1)) / {ATTO_PER_PICO}"


def fine_amount(counts: Counts, rates: Rates, *, rounded: int) -> Decimal:
    """USD of attempts whose tokens add up to `counts`, each rounded at `rates`; `rounded` is the sum of
    `rounded_sql` of their remainders."""
    even = sum(tokens * (rate - rate % EVEN) for tokens, rate in zip(counts, rates, strict=True))
    return to_dollars(even + rounded * ATTO_PER_PICO)
