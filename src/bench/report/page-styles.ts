/** What a benchmark's page has beside the styles of all pages: a colour for each mark, and its charts. */
export const PAGE_STYLES = `
main { --m0: #0a66a8; --m1: #a3195b; --m2: #b06a00; --m3: #04795a; --m4: #6b4fc0; --m5: #56616e; }
@media screen and (prefers-color-scheme: dark) {
  main { --m0: #5aa9e6; --m1: #ff85b8; --m2: #f2b742; --m3: #27b68c; --m4: #b3a0ff; --m5: #9aa6b4; }
}
.m0 { fill: var(--m0); } .m1 { fill: var(--m1); } .m2 { fill: var(--m2); } .m3 { fill: var(--m3); } .m4 { fill: var(--m4); } .m5 { fill: var(--m5); }
.mark { stroke: var(--card); stroke-width: 1.5; paint-order: stroke; }
.interval { opacity: 0.45; }
.engines { margin: 0; padding: 0; list-style: none; columns: 2; column-gap: 28px; }
.engines li { break-inside: avoid; padding: 3px 0; overflow-wrap: anywhere; }
.engines b { margin-right: 6px; }
.logchart svg { display: block; width: 100%; font-size: 12px; font-variant-numeric: tabular-nums; }
.logchart svg.at { overflow: visible; }
.logchart .axis { position: sticky; top: 0; z-index: 1; background: var(--card); border-bottom: 1px solid var(--line); }
.logchart .tick { fill: var(--muted); text-anchor: middle; }
.logchart .grid-line { stroke: var(--line); stroke-width: 1; }
.logchart .label { fill: var(--ink); stroke: var(--card); stroke-width: 3; stroke-linejoin: round; paint-order: stroke; }
.logchart .before { text-anchor: end; }
.logchart .engine { font-weight: 600; }
.logchart h3 { margin: 14px 0 2px; font-size: 14px; font-weight: 400; }
.logchart h3 code { font-weight: 700; margin-right: 6px; }
.logchart h3 span { color: var(--muted); font-size: 13px; }
.gap { margin: 2px 0 0; overflow-wrap: anywhere; }
.figure b { white-space: nowrap; }
.figure span { display: block; color: var(--muted); font-size: 13px; }
.reasons { margin: 10px 0 0; padding: 0; list-style: none; color: var(--muted); font-size: 13px; }
.reasons li { overflow-wrap: anywhere; }
.method { max-width: 80em; margin: 0 0 10px; }
@media screen and (max-width: 720px) {
  .engines { columns: 1; }
  .logchart .more, .logchart .between { display: none; }
  .logchart .tick { font-size: 11px; }
  .wide td { flex: 1 1 9.5em; }
}
@media print {
  .logchart .axis { position: static; }
  .logchart h3 { break-after: avoid; }
  .strip { break-inside: avoid; print-color-adjust: exact; }
}
`;
