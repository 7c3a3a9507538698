/**
 * The pages' look: one set of variables for light, dark and paper. The modes' colours differ in lightness as well as in
 * hue (after Okabe and Ito), and have a pattern or a label beside them everywhere.
 */

const LIGHT = `
  color-scheme: light;
  --page: #f4f5f7; --card: #ffffff; --ink: #18212b; --muted: #56616e; --line: #d8dde3; --grid: #e9ecf0;
  --accent: #0a5ca8; --warning: #8a4b00; --warning-back: #fff4e0; --mark: #a3195b;
  --nonroot: #0a66a8; --on-nonroot: #ffffff; --nonroot3: #7cc0ea; --on-nonroot3: #0d1116;
  --ring0: #eaa51c; --on-ring0: #1a1205; --ring3: #04795a; --on-ring3: #ffffff;
  --inside: #8e97a3; --on-inside: #0d1116; --hatch: rgb(0 0 0 / 0.28);`;

const DARK = `
  color-scheme: dark;
  --page: #10141a; --card: #181e26; --ink: #e6eaf0; --muted: #9aa6b4; --line: #2c3641; --grid: #232b35;
  --accent: #6db6f5; --warning: #f3c277; --warning-back: #2b2210; --mark: #ff85b8;
  --nonroot: #3d94d8; --on-nonroot: #06101a; --nonroot3: #a5d8f7; --on-nonroot3: #06101a;
  --ring0: #f2b742; --on-ring0: #1a1205; --ring3: #27b68c; --on-ring3: #03130d;
  --inside: #7d8896; --on-inside: #06101a; --hatch: rgb(0 0 0 / 0.38);`;

export const STYLES = `
:root {${LIGHT} }
@media screen and (prefers-color-scheme: dark) { :root:not(.paper) {${DARK} } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", "DejaVu Sans", sans-serif; }
header, main, footer { max-width: 1240px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 28px; }
.kind { margin: 0; color: var(--muted); font-weight: 600; letter-spacing: 0.02em; }
h1 { margin: 0 0 12px; font-size: 28px; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 10px; font-size: 17px; line-height: 1.3; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 16px 18px; margin: 0 0 16px; min-width: 0; }
.facts { display: flex; flex-wrap: wrap; gap: 4px 28px; margin: 0 0 20px; }
.facts div { display: flex; gap: 8px; }
.facts dt { color: var(--muted); }
.facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.grid { columns: 2; column-gap: 16px; }
.grid section { break-inside: avoid; }
footer { color: var(--muted); font-size: 13px; padding-bottom: 28px; }
.note { color: var(--muted); font-size: 13px; margin: 8px 0 0; }
.warning { color: var(--warning); background: var(--warning-back); border-left: 3px solid currentColor; padding: 6px 10px; margin: 0 0 10px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 14px 5px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--grid); }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--muted); font-weight: 600; font-size: 13px; white-space: nowrap; }
tbody th { font-weight: 400; overflow-wrap: anywhere; min-width: 8em; }
tbody tr:last-child > * { border-bottom: 0; }
.number { text-align: right; white-space: nowrap; }
th code { white-space: nowrap; }
code, .mono { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, "Liberation Mono", "DejaVu Sans Mono", monospace; }
.definitions { position: absolute; width: 0; height: 0; }
.bar { display: block; width: 100%; height: 22px; border-radius: 4px; margin-bottom: 10px; }
.swatch { width: 22px; height: 14px; margin-right: 9px; vertical-align: -2px; border-radius: 2px; }
.fill-nonroot { fill: var(--nonroot); } .fill-nonroot3 { fill: var(--nonroot3); } .fill-inside { fill: var(--inside); }
.fill-ring0 { fill: var(--ring0); } .fill-ring3 { fill: var(--ring3); }
.hatch { stroke: var(--hatch); stroke-width: 1.6; fill: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.tools { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin-bottom: 8px; }
.tools .view { margin-left: auto; color: var(--muted); font-size: 13px; font-variant-numeric: tabular-nums; }
button { font: inherit; font-size: 14px; color: var(--ink); background: var(--page); border: 1px solid var(--line); border-radius: 6px; padding: 4px 11px; min-height: 34px; min-width: 36px; cursor: pointer; }
.link { border: 0; background: none; padding: 0; min-height: 0; min-width: 0; color: var(--accent); text-decoration: underline; text-underline-offset: 2px; }
.slices th, .slices td { white-space: nowrap; }
.slices .number { padding-right: 24px; }
button:hover { border-color: var(--muted); }
button:disabled { color: var(--muted); cursor: default; opacity: 0.6; }
.chart { position: relative; overflow-y: auto; overflow-x: hidden; max-height: 70vh; border: 1px solid var(--line); border-radius: 6px; }
.chart canvas { position: sticky; top: 0; left: 0; display: block; width: 100%; touch-action: pan-y; cursor: crosshair; }
.chart canvas:focus-visible { outline-offset: -2px; }
.chart .space { width: 1px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 8px 0 0; padding: 0; list-style: none; color: var(--muted); font-size: 13px; }
.legend b { color: var(--ink); font-weight: 700; }
.legend .mark { color: var(--mark); }
.keys, .fingers { color: var(--muted); font-size: 13px; margin: 6px 0 0; }
kbd { white-space: nowrap; }
.fingers { display: none; }
@media (hover: none) { .keys { display: none; } .fingers { display: block; } }
kbd { font: 12px/1.4 ui-monospace, "DejaVu Sans Mono", monospace; border: 1px solid var(--line); border-radius: 4px; padding: 0 5px; background: var(--page); }
.detail { margin-top: 14px; border-top: 1px solid var(--line); padding-top: 12px; }
.detail h3 { margin: 0 -6px; padding: 2px 6px; font-size: 16px; overflow-wrap: anywhere; border-radius: 4px; }
.detail h3:focus-visible { outline-offset: 0; }
.detail .where { color: var(--muted); margin: 2px 0 12px; }
.detail .groups { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); gap: 14px 32px; }
.detail section { border: 0; padding: 0; margin: 0; background: none; }
.detail h4 { margin: 0 0 4px; font-size: 13px; color: var(--muted); }
.detail .steps { display: flex; gap: 6px; margin-bottom: 8px; }
.detail dl { margin: 0; }
.detail dl div { display: grid; grid-template-columns: 9.5em minmax(0, 1fr); gap: 10px; align-items: baseline; padding: 4px 0; border-bottom: 1px solid var(--grid); }
.detail dt { color: var(--muted); }
.detail dd { margin: 0; overflow-wrap: anywhere; }
details { margin-top: 14px; }
summary { cursor: pointer; font-weight: 600; padding: 4px 0; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media screen and (max-width: 720px) {
  header, main, footer { padding-left: 12px; padding-right: 12px; }
  section { padding: 14px 12px; }
  .grid { columns: 1; }
  h1 { font-size: 23px; }
  .wide, .wide tbody { display: block; }
  .wide thead { display: none; }
  .wide tr { display: flex; flex-wrap: wrap; gap: 0 18px; padding: 7px 0; border-bottom: 1px solid var(--grid); }
  .wide tr:last-child { border: 0; }
  .wide th, .wide td { border: 0; padding: 0; overflow-wrap: anywhere; }
  .wide th { flex-basis: 100%; font-weight: 600; }
  .wide td::before { content: attr(data-name) " "; color: var(--muted); font-size: 13px; }
  .wide td:empty { display: none; }
  .tools .view { margin-left: 0; width: 100%; }
  .detail dl div { grid-template-columns: 8.5em minmax(0, 1fr); }
}
@media print {
  body { background: none; font-size: 12px; }
  header, main, footer { max-width: none; padding: 0; }
  section { border: 0; border-top: 1px solid var(--line); border-radius: 0; padding: 10px 0; break-inside: auto; }
  tr, h2, .bar { break-inside: avoid; }
  h2 { break-after: avoid; }
  .tools, .keys, .fingers, .detail .steps, details, .chart .space { display: none; }
  .chart { max-height: none; overflow: visible; }
  .chart canvas { position: static; height: auto !important; }
  .chart canvas:focus-visible { outline: 0; }
  .scroll { overflow: visible; }
  .fill-nonroot, .fill-nonroot3, .fill-inside, .fill-ring0, .fill-ring3 { print-color-adjust: exact; }
}
`;
