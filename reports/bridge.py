"""The page of a bridge: what a new version of an evaluator changes, on the same calls, in one HTML file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from html import escape
from math import isfinite
from pathlib import Path

from evaluators.statistics.estimate import Estimate
from evaluators.versions.bridge import Bridge, SharedCall, Stratum
from reports.writing import write_whole

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --dim: #667085; --line: #d9dee7; --paper: #fff;
  --soft: #f5f7fa; --from: #5b7db1; --to: #c2703d; --good: #2f7d5b; --bad: #b3423a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --dim: #98a2b3; --line: #333b49;
  --paper: #151a22; --soft: #1d2430; --from: #86a7d9; --to: #e29a68; --good: #6cc39b; --bad: #e5857e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 68rem; color: var(--ink);
  background: var(--paper); font: 15px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 2.4rem 0 .6rem; }
p { margin: .3rem 0; } .dim { color: var(--dim); } code { font: 13px ui-monospace, monospace; }
.tag { display: inline-block; padding: .05rem .5rem; border-radius: .6rem; background: var(--soft); }
.from { color: var(--from); } .to { color: var(--to); }
.say { margin: 1.2rem 0; padding: .8rem 1rem; border-left: 4px solid var(--good); background: var(--soft); }
.say.few { border-color: var(--bad); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: .8rem; }
.card { padding: .8rem 1rem; border: 1px solid var(--line); border-radius: .5rem; }
.card b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.card b.pair { font-size: 1.2rem; line-height: 2.2rem; white-space: nowrap; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--dim); font-weight: 600; } td.n, th.n { text-align: right; white-space: nowrap; }
.text { overflow-wrap: anywhere; white-space: pre-wrap; }
svg { display: block; width: 100%; min-width: 6rem; height: 1.4rem; }
@media (max-width: 48rem) { body { padding: 1.5rem 1rem 3rem; }
  table { display: block; overflow-x: auto; } td.text { min-width: 9rem; } }
"""


@dataclass(frozen=True, slots=True)
class Example:
    """A call whose verdict flipped, as a person reads it; texts are None where they were not kept."""

    call: SharedCall
    started_at: datetime | None
    input_preview: str | None
    output_preview: str | None
    explanation_from: str | None
    explanation_to: str | None


@dataclass(frozen=True, slots=True)
class BridgePage:
    """All that stands on the page. `n_shared` may be more than were compared (`bridge.n`)."""

    evaluator: str
    from_version: str
    to_version: str
    first_day: date
    last_day: date
    bridge: Bridge
    n_shared: int
    n_only_from: int
    n_only_to: int
    examples: Sequence[Example]


def write_bridge_page(page: BridgePage, *, out_dir: Path) -> Path:
    """Write `<out_dir>/bridge-<evaluator>-<from>-<to>.html`, readable by its owner alone: it quotes."""
    name = "-".join(_file_part(part) for part in (page.evaluator, page.from_version, page.to_version))
    return write_whole(out_dir / f"bridge-{name}.html", render(page), is_private=True)


def render(page: BridgePage) -> str:
    """The page: self-contained, no script, and no text of a call that is not escaped."""
    title = f"{escape(page.evaluator)}: {escape(page.from_version)} → {escape(page.to_version)}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Bridge · {title}</title><style>{STYLE}</style></head><body>
<h1>{escape(page.evaluator)}</h1>
<p><code class="from">{escape(page.from_version)}</code> →
<code class="to">{escape(page.to_version)}</code></p>
<p class="dim">The same calls under both versions, {page.first_day} to {page.last_day} (UTC).</p>
{_says(page)}
{_cards(page.bridge)}
{_flips(page.bridge)}
{_strata(page.bridge.strata)}
{_examples(page.examples)}
<h2>How to read it</h2>
<p class="dim">Intervals are 95 %, with conversations and equal prompts as clusters. Kappa is the agreement
that chance does not explain: 1 is perfect, 0 none. The shift is what a chart adds to the old line to stand on
the new one. {page.n_only_from:,} calls were scored by the older version alone, {page.n_only_to:,} by the
newer alone; they count nowhere above.{_compared(page)}</p>
</body></html>
"""


def _says(page: BridgePage) -> str:
    bridge = page.bridge
    if bridge.n == 0:
        return '<p class="say few">No call has a score of both versions: shadow-score some days first.</p>'
    direction = "higher" if bridge.shift.value > 0 else "lower"
    sentence = (
        f"On {bridge.n:,} shared calls the newer version scores {abs(bridge.shift.value):.3g} {direction}"
        if bridge.shift.excludes(0)
        else f"On {bridge.n:,} shared calls no shift is shown"
    )
    few = "" if bridge.is_enough else " Too few to promote on: 200 are needed."
    look = "say" if bridge.is_enough else "say few"
    return f'<p class="{look}">{sentence}; {bridge.n_flips:,} verdicts flip.{few}</p>'


def _cards(bridge: Bridge) -> str:
    cards = (
        ("shared calls", "", f"{bridge.n:,}", ""),
        ("agreement", "", _number(bridge.agreement, percent=True), _interval(bridge.agreement, percent=True)),
        ("Cohen's kappa", "", _number(bridge.kappa), _interval(bridge.kappa)),
        ("mean shift", "", _number(bridge.shift, signed=True), _interval(bridge.shift, signed=True)),
        (
            "mean score",
            ' class="pair"',
            f'<span class="from">{_number(bridge.mean_from)}</span> → '
            f'<span class="to">{_number(bridge.mean_to)}</span>',
            "",
        ),
    )
    inner = "".join(
        f'<div class="card"><span class="dim">{name}</span><b{look}>{value}</b>'
        f'<span class="dim">{below}</span></div>'
        for name, look, value, below in cards
    )
    return f'<div class="cards">{inner}</div>'


def _flips(bridge: Bridge) -> str:
    if not bridge.flips:
        return "<h2>Flips</h2><p>No verdict differs.</p>"
    rows = "".join(
        f'<tr><td class="from">{escape(one)}</td><td class="to">{escape(other)}</td>'
        f'<td class="n">{n:,}</td><td class="n">{n / bridge.n:.1%}</td></tr>'
        for one, other, n in bridge.flips[:15]
    )
    more = len(bridge.flips) - 15
    rest = f'<p class="dim">… and {more} more pairs of verdicts</p>' if more > 0 else ""
    head = '<tr><th>was</th><th>becomes</th><th class="n">calls</th><th class="n">of the shared</th></tr>'
    return f"<h2>Flips</h2><table>{head}{rows}</table>{rest}"


def _strata(strata: Sequence[Stratum]) -> str:
    parts: list[str] = []
    for dimension in ("model", "prompt"):
        members = [stratum for stratum in strata if stratum.dimension == dimension]
        if not members:
            continue
        ends = [
            abs(end) for s in members for end in (s.shift.low, s.shift.high, s.shift.value) if isfinite(end)
        ]
        reach = max([*ends, 1e-9])
        head = (
            f'<tr><th>{dimension}</th><th class="n">calls</th><th class="n">agreement</th>'
            '<th class="n">kappa</th><th class="n">shift</th><th style="width:30%"></th></tr>'
        )
        rows = "".join(
            f'<tr><td class="text">{escape(s.name or "(none)")}</td><td class="n">{s.n:,}</td>'
            f'<td class="n">{_number(s.agreement, percent=True)}</td><td class="n">{_number(s.kappa)}</td>'
            f'<td class="n">{_number(s.shift, signed=True)}</td><td>{_bar(s.shift, reach=reach)}</td></tr>'
            for s in members
        )
        parts.append(f"<h2>By {dimension}</h2><table>{head}{rows}</table>")
    return "".join(parts)


def _bar(shift: Estimate, *, reach: float) -> str:
    """The shift and its interval around a line at zero, 100 units to either side."""
    low, high = (shift.low, shift.high) if shift.has_interval else (shift.value, shift.value)
    left, right, at = (100 + 96 * end / reach for end in (low, high, shift.value))
    return (
        '<svg viewBox="0 0 200 14" preserveAspectRatio="none" aria-hidden="true">'
        '<line x1="100" x2="100" y1="0" y2="14" stroke="var(--line)"/>'
        f'<line x1="{left:.1f}" x2="{right:.1f}" y1="7" y2="7" stroke="var(--to)" stroke-width="2"/>'
        f'<rect x="{at - 1.5:.1f}" y="2" width="3" height="10" fill="var(--to)"/></svg>'
    )


def _examples(examples: Sequence[Example]) -> str:
    if not examples:
        return ""
    head = "<tr><th>call</th><th>prompt and answer (beginnings)</th><th>was</th><th>becomes</th></tr>"
    rows = "".join(_example(example) for example in examples)
    return f"<h2>Examples</h2><table>{head}{rows}</table>"


def _example(example: Example) -> str:
    was, becomes = (escape(_verdict(verdict)) for verdict in example.call.verdicts)
    when = f"{example.started_at:%Y-%m-%d %H:%M}" if example.started_at else ""
    return (
        f'<tr><td><code>{escape(example.call.call_id[:8])}</code><br><span class="dim">{when}<br>'
        f"{escape(example.call.model)}</span></td>"
        f'<td class="text">{escape(example.input_preview or "(not kept)")}<br>'
        f'<span class="dim">{escape(example.output_preview or "(not kept)")}</span></td>'
        f'<td class="text"><b class="from">{was}</b><br>{escape(_cut(example.explanation_from))}</td>'
        f'<td class="text"><b class="to">{becomes}</b><br>{escape(_cut(example.explanation_to))}</td></tr>'
    )


def _compared(page: BridgePage) -> str:
    if page.n_shared <= page.bridge.n:
        return ""
    return f" Of {page.n_shared:,} shared calls {page.bridge.n:,}, drawn by a hash, were compared."


def _verdict(verdict: str | float) -> str:
    return verdict if isinstance(verdict, str) else f"{verdict:g}"


def _cut(text: str | None) -> str:
    return "" if text is None else text if len(text) <= 400 else f"{text[:400]}…"


def _number(estimate: Estimate, *, percent: bool = False, signed: bool = False) -> str:
    return _format(estimate.value, percent=percent, signed=signed)


def _interval(estimate: Estimate, *, percent: bool = False, signed: bool = False) -> str:
    if not estimate.has_interval:
        return "no interval"
    low, high = (_format(end, percent=percent, signed=signed) for end in (estimate.low, estimate.high))
    return f"{low} to {high}"


def _format(value: float, *, percent: bool, signed: bool) -> str:
    if not isfinite(value):
        return "–"
    return f"{value:{'+' if signed else ''}.{'1%' if percent else '3f'}}"


def _file_part(text: str) -> str:
    """The text where a file's name may hold it; else what may stand of it, and a hash to tell it apart."""
    is_plain = (sign.isascii() and (sign.isalnum() or sign in "._+") for sign in text)
    part = "".join(sign if plain else "_" for sign, plain in zip(text, is_plain, strict=True))[:60]
    if part == text:
        return part
    return f"{part[:51]}_{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
