import { htmlDocument } from '../html/document.js';
import { type Html, html } from '../html/escape.js';
import { duration } from '../html/format.js';
import { patterns, swatch } from '../html/tables.js';
import { crossingBetween } from './crossing.js';
import { measured } from './facts.js';
import { crossingLanes, emptyLanes, LANE_MARKS, LANES, lanesBelow, MODE_CSS, stepLanes } from './lanes.js';
import { type Language, wordsOf } from './languages.js';
import { PAGE_STYLES } from './page-styles.js';
import type { PrintfResult, PrintfStep } from './result.js';
import { stepFacts } from './step-facts.js';
import type { ChainMode } from './timeline.js';
import { variantCells } from './variant-table.js';
import type { Words } from './words.js';

/**
 * A printf as one page that needs no other file and no network: a figure with a lane for each mode, whose steps open.
 * @throws VmError SETUP_FAILED where the page's script is not built
 */
export function printfPage(result: PrintfResult, language: Language): string {
  const words = wordsOf(language);
  return htmlDocument({
    title: words.title,
    language: language === 'zh' ? 'zh-Hans' : language,
    body: body(result, words),
    styles: PAGE_STYLES,
    script: 'printf-page',
    data: {},
  });
}

function body(result: PrintfResult, words: Words): Html {
  const { host, flavour, processor, byTrap, output, steps, spanNs, clock, kernelMissing, rest } = result;
  const sum = steps.reduce((total, { thread, ns }) => total + (thread === 'vcpu' ? ns : 0), 0);
  const notes = [
    words.sum(duration(sum), duration(spanNs)),
    words.clock(clock, duration),
    ...(kernelMissing === undefined ? [] : [words.hardwareMissing(kernelMissing, flavour)]),
    ...(host === 'local' ? [] : [words.softwareHost]),
    ...(rest.characters > 0 ? [words.cold] : []),
  ];
  const fact = (name: string, value: string) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  return html`<header><p class="kind">vmlaunch</p><h1>${words.title}</h1><p>${words.summary(byTrap)}</p>
<dl class="facts">${[
    fact(words.host, host),
    fact('KVM', flavour),
    ...(processor === '' ? [] : [fact(words.page.processor, processor)]),
    fact(words.page.printed, output.trimEnd()),
  ]}</dl></header>
<main>${patterns()}
<section aria-labelledby="modes"><h2 id="modes">${words.page.modes}</h2>${modesTable(result, words)}</section>
<section class="chain" aria-labelledby="chain"><h2 id="chain">${words.page.chain}</h2><p class="keys">${words.page.keys}</p>
${laneHeads(words)}
${rows(result, words)}</section>
<section class="clock" aria-labelledby="clock"><h2 id="clock">${words.page.clock}</h2>${notes.map((note) => html`<p>${note}</p>`)}</section>
<section class="variants" aria-labelledby="variants"><h2 id="variants">${words.variants}</h2>${variantsTable(result, words)}
${words.variantNotes(result.variants).map((note) => html`<p class="note">${note}</p>`)}</section>
</main>
<footer><p>${words.page.footer}</p></footer>`;
}

function modesTable({ modes }: PrintfResult, words: Words): Html {
  const shown: readonly ChainMode[] = modes.inside === undefined ? LANES : [...LANES, 'inside'];
  const row = (mode: ChainMode) => {
    const { name, who } = words.modes[mode];
    const mark = mode === 'inside' ? `${LANE_MARKS.nonRootRing0} ${LANE_MARKS.rootRing0}` : LANE_MARKS[mode];
    return html`<tr><th scope="row">${swatch(MODE_CSS[mode])}<b>${mark}</b> ${name}</th><td>${who}</td><td class="number">${measured(modes[mode])}</td></tr>`;
  };
  return html`<table class="wide"><thead><tr><th scope="col">${words.page.mode}</th><th scope="col">${words.page.who}</th><th scope="col" class="number">${words.timesOfRun}</th></tr></thead><tbody>${shown.map(row)}</tbody></table>`;
}

function laneHeads(words: Words): Html {
  const heads = LANES.map((lane) => html`<li><b>${LANE_MARKS[lane]}</b><span>${words.modes[lane].name}</span></li>`);
  return html`<div class="row laneheads"><ol>${heads}</ol></div>`;
}

function rows(result: PrintfResult, words: Words): Html[] {
  const { steps, byTrap, rest } = result;
  const made: Html[] = [];
  let before: PrintfStep | undefined;
  let wasSum = false;
  steps.forEach((step, index) => {
    const isSum = step.summed !== undefined;
    if (isSum && !wasSum) made.push(partRow(words.rest(rest.characters, rest.exits)));
    if (!isSum && wasSum) made.push(partRow(words.wayBack));
    if (!isSum && !wasSum && before !== undefined) made.push(...crossingRow(before, step, byTrap, words));
    made.push(stepRow(step, index + 1, result, words));
    wasSum = isSum;
    if (step.thread === 'vcpu') before = step;
  });
  return made;
}

const partRow = (title: string): Html =>
  html`<div class="row part">${emptyLanes()}<div class="words">${title}</div></div>\n`;

function crossingRow(from: PrintfStep, to: PrintfStep, byTrap: boolean, words: Words): Html[] {
  const crossing = to.thread === 'main' ? undefined : crossingBetween(from, to, byTrap);
  if (crossing === undefined) return [];
  const why = crossing === 'vmExit' && from.exit ? words.colon + from.exit.reason : '';
  const title = words.crossings[crossing] + why;
  return [
    html`<div class="row crossing">${crossingLanes(from.mode, to.mode)}<div class="words">${title}</div></div>\n`,
  ];
}

function stepRow(step: PrintfStep, number: number, { flavour }: PrintfResult, words: Words): Html {
  const { what, ns, thread, resumed, summed, source, disassembly } = step;
  const noted = resumed ? words.aside(words.resumed) : thread === 'main' ? words.aside(words.mainThread) : '';
  const each = summed === undefined ? html`` : html`<br><small>${summed} × ${duration(ns / summed)}</small>`;
  const code = [...(source ? [source.text] : []), ...(disassembly ? [disassembly] : [])].join('   ·   ');
  const facts = stepFacts(step, flavour, words).map(
    ({ name, value, isCode }) => html`<div><dt>${name}</dt><dd${isCode ? html` class="mono"` : ''}>${value}</dd></div>`,
  );
  return html`<details class="step"><summary class="row">${stepLanes(step)}<div class="words"><span class="count">${number}</span><span>${words.steps[what](step)}${noted}</span><span class="time">${duration(ns)}${each}</span>${code === '' ? '' : html`<code class="code">${code}</code>`}</div></summary>
<div class="row">${lanesBelow(step)}<div class="known"><dl>${facts}</dl></div></div></details>\n`;
}

function variantsTable({ variants }: PrintfResult, words: Words): Html {
  const [head = [], ...cells] = variantCells(variants, words);
  const title = (text: string, at: number) =>
    html`<th scope="col"${at === 0 ? '' : html` class="number"`}>${text}</th>`;
  const cell = (text: string, at: number) =>
    at === 0 ? html`<th scope="row">${text}</th>` : html`<td class="number" data-name="${head[at] ?? ''}">${text}</td>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-labelledby="variants"><table class="wide"><thead><tr>${head.map(title)}</tr></thead><tbody>${cells.map((row) => html`<tr>${row.map(cell)}</tr>`)}</tbody></table></div>`;
}
