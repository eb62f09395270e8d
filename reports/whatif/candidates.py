"""Candidates as people name them, and the price book they are priced from: nothing is written.

A model that the book holds no copy of yet is priced from the installed `genai-prices`, as its first charge
would be.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from fractions import Fraction

from evaluators.pricing.book import PriceBook, tier_name
from evaluators.pricing.curated import curated_rows
from evaluators.pricing.genai import Refused, snapshot_rows
from evaluators.pricing.rows import CURATED_SOURCE, GENAI_SOURCE, STANDARD, PriceRow
from reports.whatif.question import RECORDED, Candidate, WhatIfError

MOST_CANDIDATES = 50
RATIOS = (Fraction(1, 10), Fraction(10))


@dataclass(frozen=True, slots=True)
class Prices:
    """The rows that candidates and recorded models are priced from, and the book of them."""

    rows: tuple[PriceRow, ...]
    book: PriceBook


@dataclass(frozen=True, slots=True)
class Ratios:
    """Tokens of a candidate for one recorded token: by its name as it was given, and for all others."""

    by_name: dict[str, Fraction]
    default: Fraction = Fraction(1)

    def of(self, name: str, candidate: Candidate) -> Fraction:
        names = (name, candidate.name, candidate.model or "")
        return next((self.by_name[each] for each in names if each in self.by_name), self.default)


def parse_ratios(texts: Iterable[str], *, option: str) -> Ratios:
    """`1.2` for all candidates, `MODEL=1.2` for one. Raises WhatIfError."""
    by_name: dict[str, Fraction] = {}
    default = Fraction(1)
    for text in texts:
        name, has_name, number = text.rpartition("=")
        try:
            ratio = Fraction(number.strip())
        except (ValueError, ZeroDivisionError):
            raise WhatIfError(f"{option} must be a number or MODEL=NUMBER, not {text[:80]!r}") from None
        if not RATIOS[0] <= ratio <= RATIOS[1]:
            raise WhatIfError(f"{option} must lie between 0.1 and 10, not {number.strip()[:40]}")
        if has_name:
            by_name[name.strip()] = ratio
        else:
            default = ratio
    return Ratios(by_name, default)


def find_candidates(
    names: Sequence[str],
    *,
    tiers: Sequence[str],
    held: Sequence[PriceRow],
    at: datetime,
    input_ratios: Ratios,
    output_ratios: Ratios | None = None,
) -> tuple[tuple[Candidate, ...], Prices]:
    """Each name at each tier (none: as recorded), with `held` (rows of the book) and what they need beside.

    A name is `recorded`, a model, or `PROVIDER/MODEL`. `output_ratios` None: as the input's. Raises
    WhatIfError for a model, tier or named ratio that nothing is known of.
    """
    found = {name: _find(name, held) for name in dict.fromkeys(names)}
    rows = [*held, *_lacking(list(found.values()), held=held, at=at)]
    prices = Prices(tuple(rows), PriceBook(rows))
    _check_tiers(tiers, rows)
    candidates: dict[Candidate, None] = {}
    for name, candidate in found.items():
        if candidate.model is not None and not prices.book.knows(candidate.provider or "", candidate.model):
            raise WhatIfError(_unknown(name, rows))
        window = _window_of(candidate, rows)
        # A call's own model counts tokens as it did.
        is_own = candidate.model is None
        ratio = Fraction(1) if is_own else input_ratios.of(name, candidate)
        of_output = ratio if is_own or output_ratios is None else output_ratios.of(name, candidate)
        for tier in tiers or (None,):
            named = None if tier is None else tier_name(tier)
            scaled = replace(candidate, input_ratio=ratio, output_ratio=of_output, context_window=window)
            candidates[replace(scaled, tier=named)] = None
    for ratios in (input_ratios, output_ratios or input_ratios):
        known = {*found, *(each.name for each in found.values()), *(each.model for each in found.values())}
        if strange := next((name for name in ratios.by_name if name not in known), None):
            raise WhatIfError(f"a ratio is given for {strange[:80]!r}, which is no candidate")
    if len(candidates) > MOST_CANDIDATES:
        raise WhatIfError(f"{len(candidates)} candidates are more than {MOST_CANDIDATES}")
    return tuple(candidates), prices


def _find(name: str, held: Sequence[PriceRow]) -> Candidate:
    """The provider and model that a name means."""
    if name == RECORDED:
        return Candidate()
    provider, slash, model = name.partition("/")
    if slash and model and _is_provider(provider, held):
        return Candidate(provider=provider.lower(), model=model)
    own = {row.provider for row in held if row.match == "exact" and row.model == name}
    guess = _provider_of(name)
    if guess is not None and (guess in own or not own or own == {None}):
        return Candidate(provider=guess, model=name)
    named = sorted(provider for provider in own if provider is not None)
    if len(named) > 1:
        listed = ", ".join(f"{provider}/{name}" for provider in named)
        raise WhatIfError(f"{name} has prices of several providers: say one of {listed}")
    return Candidate(provider=named[0] if named else "", model=name)


def _is_provider(name: str, held: Sequence[PriceRow]) -> bool:
    from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

    is_held = any(row.provider == name.lower() for row in held)
    return is_held or find_provider_by_id(get_snapshot().providers, name) is not None


def _provider_of(model: str) -> str | None:
    """The provider that the library takes a model's bare name to be of."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        return get_snapshot().find_provider_model(model, None, None, None)[0].id
    except LookupError:
        return None


def _window_of(candidate: Candidate, rows: Sequence[PriceRow]) -> int | None:
    """The most input tokens that the library knows the model to take; None where prices go beyond that."""
    from genai_prices.data_snapshot import get_snapshot

    provider, model = candidate.provider or "", candidate.model or ""
    if not model or "compatible" in provider.lower():
        return None
    try:
        window = get_snapshot().find_provider_model(model, None, provider or None, None)[1].context_window
    except LookupError:
        return None
    priced = max((row.min_input_tokens for row in rows if row.model == model), default=0)
    return None if window is None or priced >= window else window


def _lacking(candidates: Sequence[Candidate], *, held: Sequence[PriceRow], at: datetime) -> list[PriceRow]:
    """What the first charge would bring into the book: curated history, copies of the candidates."""
    copied = {(row.provider, row.model) for row in held if row.source.startswith(GENAI_SOURCE)}
    rows = [] if any(row.source.startswith(CURATED_SOURCE) for row in held) else list(curated_rows())
    for candidate in candidates:
        if candidate.model is not None and (candidate.provider, candidate.model) not in copied:
            found = snapshot_rows(candidate.provider or "", candidate.model, at=at)
            rows += [] if isinstance(found, Refused) else found
    return [replace(row, id=-number) for number, row in enumerate(rows, start=1)]


def _check_tiers(tiers: Sequence[str], rows: Sequence[PriceRow]) -> None:
    known = {row.service_tier.partition("@")[0] for row in rows} | {STANDARD}
    for tier in tiers:
        if tier_name(tier) not in known:
            raise WhatIfError(
                f"no model has a price at tier {tier[:80]!r}; there are {', '.join(sorted(known))}"
            )


def _unknown(name: str, rows: Sequence[PriceRow]) -> str:
    """That a model has no price, and what may have been meant, with the provider that has it."""
    from genai_prices.data_snapshot import get_snapshot

    listed = [(row.provider or "", row.model) for row in rows if row.match == "exact"]
    listed += [(each.id, model.id) for each in get_snapshot().providers for model in each.models]
    places = {model: f"{provider}/{model}".removeprefix("/") for provider, model in reversed(listed)}
    near = get_close_matches(name.rpartition("/")[2], places, n=3)
    meant = (model if _provider_of(model) and model != name else places[model] for model in near)
    hint = f"; did you mean {' or '.join(meant)}?" if near else ""
    return f"nothing has a price for {name[:80]!r}{hint or ' (`lqo prices set` states one)'}"
