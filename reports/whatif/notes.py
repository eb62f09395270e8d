"""What a reader of the answer must know before believing it."""

from collections.abc import Iterator

from reports.whatif.question import Question
from reports.whatif.totals import Line, Totals


def notes_of(question: Question, totals: Totals) -> Iterator[str]:
    """One sentence each; none where nothing was assumed."""
    tokens = totals.recorded.tokens
    n_cached = tokens["cache_read"] + tokens["cache_write"] + tokens["cache_write_1h"]
    n_input = n_cached + tokens["input_uncached"] + tokens["input_audio"] + tokens["input_image"]
    lines = _by_candidate(totals)
    foreign = [name for name, line in lines.items() if line.n_foreign_tokens]
    unscaled = {each.label for each in question.candidates if each.input_ratio == each.output_ratio == 1}
    if not totals.recorded.n_attempts:
        yield "no calls of these days and filters have landed"
    if taken := [name for name in foreign if name in unscaled]:
        yield (
            f"{', '.join(taken)}: tokens that another model counted are taken one for one; its tokenizer may"
            " count otherwise, and its answers may be longer or shorter (--ratio, --output-ratio)"
        )
    if n_cached and question.terms.is_cached:
        yield (
            f"{100 * n_cached / n_input:.1f} % of the input was cached, and is taken to be cached elsewhere,"
            " too (--cache none prices it anew)"
        )
    for name, line in lines.items():
        if line.n_uncached_tokens and question.terms.is_cached:
            yield f"{name} has no price for reading a cache: {line.n_uncached_tokens:,} tokens are read anew"
    if tokens["reasoning"] and foreign and question.terms.is_reasoning:
        yield (
            f"{tokens['reasoning']:,} reasoning tokens are taken to be used elsewhere, too (--reasoning none)"
        )
    yield from _of_gaps(question, lines)
    for name, line in lines.items():
        if line.n_new:
            yield (
                f"{name} prices {line.n_new:,} attempts that have no charge: {line.new_usd:,.6f} USD, not in"
                " the saving"
            )


def _of_gaps(question: Question, lines: dict[str, Line]) -> Iterator[str]:
    """What to ask for where a candidate has a price, but of another time or tier."""
    unsaid = {each.label for each in question.candidates if each.tier is None and each.model is not None}
    for name, line in lines.items():
        n_early = line.reasons["unpriced_date"]
        if n_early and question.terms.prices_at is None:
            yield f"{name} has prices, but none at the time of {n_early:,} attempts (--prices-at DAY)"
        n_tier = sum(n for reason, n in line.reasons.items() if reason.startswith("unpriced_service_tier:"))
        if n_tier and name in unsaid:
            yield f"{name} has prices, but none at the tier of {n_tier:,} attempts (--tier standard)"


def _by_candidate(totals: Totals) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    for (_, candidate), line in totals.lines.items():
        lines.setdefault(candidate.label, Line()).merge(line)
    return lines
