"""The page's style: one column on a phone, two of charts on a desk; dark or light, on paper always
light."""

# Colours by Okabe and Ito (2008), which colour-blind readers tell apart, shaded for 3:1 against the paper.
LIGHT = """
  --ink: #1b2230; --dim: #566072; --line: #d8dee8; --paper: #ffffff; --soft: #f4f6fa; --week: #eef2f9;
  --good: #1d7a55; --bad: #b3382f; --c0: #1f6fb5; --c1: #c25e00; --c2: #0b8466; --c3: #a94f8d; --c4:
  #8a7500;
  --c5: #3f8fc4; --c6: #7a8598;"""
DARK = """
  --ink: #e7eaf0; --dim: #a3adbd; --line: #343d4c; --paper: #141922; --soft: #1c2330; --week: #1d2739;
  --good: #63c79b; --bad: #f08a80; --c0: #6db3ee; --c1: #f0a35e; --c2: #4fc6a4; --c3: #dc97c5; --c4:
  #d3bd4c;
  --c5: #a5d3f3; --c6: #8f9aad;"""
LOOKS = ("c0", "c1", "c2", "c3", "c4", "c5", "c6", "good", "bad")

_COLOURS = "".join(
    f".f-{look} {{ fill: var(--{look}); background: var(--{look}); }} "
    f".s-{look} {{ stroke: var(--{look}); }} .b-{look} {{ fill: var(--{look}); }}\n"
    for look in LOOKS
)

STYLE = (
    f":root {{ color-scheme: light dark;{LIGHT} }}\n"
    f"@media (prefers-color-scheme: dark) {{ :root {{{DARK} }} }}\n"
    f"@media print {{ :root {{ color-scheme: light;{LIGHT} }} }}\n"
    f"{_COLOURS}"
    """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 2rem 1.25rem 3rem; max-width: 66rem; color: var(--ink); background:
  var(--paper);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK KR",
  sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 0; } figcaption h3 { margin: 0; }
p { margin: .2rem 0; } ul { margin: .4rem 0; padding: 0; list-style: none; }
a { color: inherit; }
.dim, figcaption p { color: var(--dim); font-size: .875rem; }
.none { padding: .7rem 1rem; background: var(--soft); color: var(--dim); border-radius: .4rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .9rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .7rem; margin:
  1.2rem 0; }
.card { padding: .7rem .9rem; border: 1px solid var(--line); border-radius: .5rem; }
.card b { display: block; font-size: 1.45rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.card span { display: block; color: var(--dim); font-size: .82rem; line-height: 1.35; }
.headlines { background: var(--soft); border-radius: .5rem; padding: .8rem 1rem; }
.headlines li { padding: .15rem 0 .15rem 1.5rem; text-indent: -1.5rem; }
.headlines li::before { content: "●"; display: inline-block; width: 1.5rem; text-indent: 0; font-size:
  .7rem;
  color: var(--dim); vertical-align: .1rem; }
.headlines .bad::before { content: "▲"; color: var(--bad); } .headlines .good::before { content: "✓";
  color: var(--good); font-weight: 700; font-size: .9rem; vertical-align: 0; }
.bad-text { color: var(--bad); font-weight: 600; } .good-text { color: var(--good); font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap:
  1.6rem 2rem; }
figure { margin: .8rem 0 0; min-width: 0; break-inside: avoid; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: .82rem; overflow-wrap: anywhere; }
.key { display: inline-block; width: .75rem; height: .75rem; border-radius: .15rem; margin-right: .35rem;
  vertical-align: -.05rem; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.key.f-mark { width: 0; border-left: 2px dashed var(--dim); border-radius: 0; background: none; }
svg { display: block; } .chart { width: 100%; max-width: 34rem; height: auto; overflow: visible; }
.chart text { font: 12.5px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill:
  var(--dim); }
.grid { stroke: var(--line); stroke-width: 1; } .tickmark { stroke: var(--dim); stroke-width: 1; }
.week { fill: var(--week); } .mark { stroke: var(--dim); stroke-width: 1.5; stroke-dasharray: 4 3; }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; } .dashed { stroke-dasharray: 5 3; }
polygon { opacity: .22; } .bar { stroke-width: 2; opacity: .4; }
.spark { width: 6rem; height: 1.4rem; } .spark polyline { stroke: var(--c0); stroke-width: 1.5; }
.spark circle { fill: var(--c0); } .whisker { width: 7.5rem; height: 1rem; } .whisker line {
  stroke-width: 2; }
.whisker .zero { stroke: var(--line); stroke-width: 1.5; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums;
  margin: .4rem 0; }
th, td { padding: .35rem .55rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align:
  top; }
thead th { color: var(--dim); font-weight: 600; } tbody th { font-weight: 600; overflow-wrap: anywhere; }
td { overflow-wrap: anywhere; } td small, th small { display: block; color: var(--dim); font-weight: 400;
  font-size: .8rem; }
td.n, th.n { text-align: right; overflow-wrap: normal; } td.n small { white-space: nowrap; } .fold tbody
  th { min-width: 7.5rem;
  } td.n svg { margin-left: auto; } .nowrap { white-space: nowrap; }
details { margin: .3rem 0; font-size: .88rem; } summary { color: var(--dim); cursor: pointer; padding:
  .3rem 0; }
.days { table-layout: fixed; } .days th:first-child { width: 9rem; text-align: left !important; } .days
  td, .days thead th { text-align: center; padding: .35rem .1rem; }
.days tbody th { width: auto; } .drift { color: var(--bad); font-weight: 700; } .calm { color: var(--dim); }
footer { margin-top: 2.4rem; border-top: 1px solid var(--line); padding-top: .8rem; }
@media screen and (max-width: 46rem) {
  .days thead th { font-size: .7rem; } .days th:first-child { width: 7.2rem; }
  body { padding: 1.2rem 1rem 2rem; } h1 { font-size: 1.4rem; }
  table.fold thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table.fold, table.fold tbody, table.fold tr, table.fold th, table.fold td { display: block; }
  table.fold tr { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .8rem; margin:
  .6rem 0; }
  table.fold td { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .15rem 0;
  text-align: right; }
  table.fold td::before { content: attr(data-label); color: var(--dim); flex: none; max-width: 45%;
  text-align: left; }
  table.fold tbody th { border: 0; padding: .1rem 0 .3rem; font-size: .95rem; text-align: left; }
}
@media print {
  .whisker { width: 4.5rem; } .spark { width: 3.6rem; } .fold tbody th { min-width: 4.5rem; }
  th, td { padding: .25rem .3rem; } .dim, figcaption p { font-size: 8pt; }
  .cards { grid-template-columns: repeat(5, 1fr); gap: .4rem; } .card { padding: .4rem .5rem; }
  body { max-width: none; padding: 0; font-size: 10pt; } table { font-size: 8pt; }
  td small, th small { font-size: 7pt; } .legend { font-size: 8pt; }
  h2 { margin-top: 1.2rem; } footer { margin-top: 1rem; break-inside: avoid; }
  nav, details { display: none; }
  .charts { grid-template-columns: 1fr 1fr; gap: .8rem 1.2rem; } h2 { break-after: avoid; } tr {
  break-inside: avoid; }
  .headlines, .card { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  @page { margin: 14mm; }
}
"""
)
