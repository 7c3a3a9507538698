/** What a printf's page has beside the styles of all pages: four lanes, which go on through every row. */
export const PAGE_STYLES = `
:lang(zh) body { font-family: system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", "WenQuanYi Micro Hei", sans-serif; }
.chain { --lane: 104px; padding: 0; overflow: clip; }
.chain h2 { padding: 16px 18px 0; }
.chain .keys { padding: 0 18px; }
.row { display: grid; grid-template-columns: calc(4 * var(--lane)) minmax(0, 1fr); gap: 14px; padding-left: 10px; padding-right: 18px; }
.lanes { position: relative; align-self: stretch; }
.lanes svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.lanes .lane { stroke: var(--grid); stroke-width: 1; }
.lanes .path { stroke: var(--muted); stroke-width: 2; }
.lanes .head { fill: var(--muted); }
.lanes text { font-weight: 700; font-size: 12px; text-anchor: middle; dominant-baseline: central; }
.lanes .beside { fill: none; stroke: var(--ring3); stroke-width: 2; stroke-dasharray: 4 3; }
.on-nonroot3 { fill: var(--on-nonroot3); } .on-nonroot { fill: var(--on-nonroot); } .on-ring0 { fill: var(--on-ring0); }
.on-ring3 { fill: var(--on-ring3); } .on-inside { fill: var(--on-inside); } .on-beside { fill: var(--ink); }
.laneheads { position: sticky; top: 0; z-index: 1; background: var(--card); border-bottom: 1px solid var(--line); }
.laneheads ol { grid-column: 1; display: grid; grid-template-columns: repeat(4, 1fr); margin: 0; padding: 8px 0; list-style: none; text-align: center; font-size: 12px; line-height: 1.3; }
.laneheads b { display: block; font-size: 14px; }
.laneheads li { padding: 0 4px; color: var(--muted); }
.laneheads li b { color: var(--ink); }
.step { margin: 0; border-bottom: 1px solid var(--grid); }
.step > summary { list-style: none; font-weight: 400; padding-top: 0; padding-bottom: 0; min-height: 46px; }
.step > summary::-webkit-details-marker { display: none; }
.step > summary:hover, .step[open] > summary { background: var(--page); }
.step > summary:focus-visible { outline-offset: -2px; }
.step .words { display: grid; grid-template-columns: 2.2em minmax(0, 1fr) auto; gap: 0 8px; align-content: center; padding: 5px 0; }
.step .count { color: var(--muted); text-align: right; font-variant-numeric: tabular-nums; }
.step .time { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.step .time small { color: var(--muted); font-size: 12px; }
.step .code { grid-column: 2 / 4; color: var(--muted); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.step .known { padding: 8px 0 16px 2.7em; }
.step dl { margin: 0; }
.step dl div { display: grid; grid-template-columns: 10em minmax(0, 1fr); gap: 10px; padding: 3px 0; border-bottom: 1px solid var(--grid); }
.step dt { color: var(--muted); }
.step dd { margin: 0; overflow-wrap: anywhere; }
.crossing { min-height: 30px; }
.crossing .words { align-content: center; display: grid; font-size: 13px; font-weight: 600; padding: 4px 0 4px 2.7em; }
.part { min-height: 46px; }
.part .words { align-content: end; display: grid; padding: 14px 0 4px; font-weight: 600; }
.variants .note, .clock p { max-width: 80em; }
@media (max-width: 720px) {
  .chain { --lane: 20px; }
  .chain h2 { padding: 14px 12px 0; }
  .chain .keys { padding: 0 12px; }
  .row { gap: 8px; padding-left: 6px; padding-right: 12px; }
  .laneheads span { display: none; }
  .step .words { grid-template-columns: 1.7em minmax(0, 1fr) auto; }
  .step .known { padding-left: 0; }
  .step dl div { grid-template-columns: 7em minmax(0, 1fr); }
  .crossing .words { padding-left: 2.2em; }
  .lanes text { font-size: 11px; }
}
@media print {
  .laneheads { position: static; }
  .row { break-inside: avoid; }
  .chain details { display: block; }
}
`;
