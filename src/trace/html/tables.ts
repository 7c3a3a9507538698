import type { ModeTimes } from '../model.js';
import type { ExitSummary } from '../summary.js';
import { hex } from '../words.js';
import { type Html, html, type Part } from './escape.js';
import { duration, grouped, percent } from './format.js';
import type { InstructionWords } from './page-data.js';

/** By "0x100010", as `RipCount` has it. */
export type Instructions = ReadonlyMap<string, InstructionWords>;

const MOST_ROWS = 40;

/** Modes from the guest to us, with the class that colours each and what the colour stands for in words. */
const MODES: readonly (readonly [field: keyof ModeTimes, css: string, words: string])[] = [
  ['nonRootRing3', 'nonroot3', 'VMX non-root operation, ring 3 (guest program)'],
  ['nonRootRing0', 'nonroot', 'VMX non-root operation, ring 0 (guest kernel)'],
  ['nonRoot', 'nonroot', 'VMX non-root operation (guest)'],
  ['inside', 'inside', 'Inside KVM_RUN: guest and kernel, not told apart'],
  ['rootRing0', 'ring0', 'VMX root operation, ring 0 (kernel, KVM)'],
  ['rootRing3', 'ring3', 'VMX root operation, ring 3 (vmlaunch)'],
];

/** Times by mode as a bar and a table; those of non-root operation by ring take the place of their sum. */
export function modesSection(modes: ModeTimes): Html {
  const byRing = modes.nonRootRing3 !== undefined || modes.nonRootRing0 !== undefined;
  const shown = MODES.flatMap(([field, css, words]) => {
    const ns = field === 'nonRoot' && byRing ? undefined : modes[field];
    return ns === undefined ? [] : [{ css, words, ns }];
  });
  const whole = shown.reduce((sum, { ns }) => sum + ns, 0);
  const share = (ns: number) => (whole === 0 ? 0 : ns / whole);
  let at = 0;
  const bars = shown.map(({ css, ns }) => {
    const x = at;
    at += share(ns) * 100;
    return html`<rect class="fill-${css}" x="${x.toFixed(3)}%" width="${(share(ns) * 100).toFixed(3)}%" height="100%"/><rect fill="url(#pattern-${css})" x="${x.toFixed(3)}%" width="${(share(ns) * 100).toFixed(3)}%" height="100%"/>`;
  });
  const rows = shown.map(({ css, words, ns }) => [html`${swatch(css)}${words}`, duration(ns), percent(share(ns))]);
  return html`<section aria-labelledby="modes"><h2 id="modes">Time by mode</h2>
${patterns()}<svg class="bar" role="img" aria-label="Shares of the modes; the table below has them in numbers">${bars}</svg>
${tableElement('modes', ['mode', 'time', 'share'], rows)}</section>`;
}

/** A mode's colour with its pattern, which tells it apart without colours. */
export function swatch(css: string): Html {
  return html`<svg class="swatch" aria-hidden="true"><rect class="fill-${css}" width="100%" height="100%"/><rect fill="url(#pattern-${css})" width="100%" height="100%"/></svg>`;
}

/** The patterns that stand for the modes, for the page to define once. */
export function patterns(): Html {
  const pattern = (css: string, path: string) =>
    html`<pattern id="pattern-${css}" width="8" height="8" patternUnits="userSpaceOnUse"><path class="hatch" d="${path}"/></pattern>`;
  return html`<svg class="definitions" aria-hidden="true"><defs>${[
    pattern('nonroot3', 'M4 3v2'),
    pattern('nonroot', ''),
    pattern('inside', 'M0 4h8M4 0v8'),
    pattern('ring0', 'M-2 2l4-4M0 8l8-8M6 10l4-4'),
    pattern('ring3', 'M0 2h8M0 6h8'),
  ]}</defs></svg>`;
}

export function countTables(summary: ExitSummary, instructions: Instructions): Html {
  const { byReason, byHardwareReason, byRing, recorded } = summary;
  const rings = Object.fromEntries(Object.entries(byRing).map(([ring, count]) => [`ring ${ring}`, count]));
  return html`<div class="grid">
${counts('reasons', 'Returns of KVM_RUN by reason', 'KVM’s reason', byReason)}
${
  byHardwareReason === undefined
    ? missing('hardware', 'VM exits by the hardware’s reason', 'The kernel’s side was not recorded.')
    : counts('hardware', 'VM exits by the hardware’s reason', 'hardware’s reason', byHardwareReason)
}
${counts('rings', 'Guest’s ring at the exit', 'ring', rings)}
${watched(summary)}
</div>
${accesses(summary)}
${topInstructions(summary, instructions, recorded)}`;
}

function counts(id: string, title: string, column: string, byName: Readonly<Record<string, number>>): Html {
  const entries = Object.entries(byName).sort(([, a], [, b]) => b - a);
  const whole = entries.reduce((sum, [, count]) => sum + count, 0);
  const rows = entries.map(([name, count]) => [name, grouped(count), percent(count / whole)]);
  return table(id, title, [column, 'count', 'share'], rows);
}

function watched({ recorded, continued, lost, kvm }: ExitSummary): Html {
  const known = (count: number | null) => (count === null ? 'not known' : grouped(count));
  return table(
    'watched',
    'What was recorded',
    ['what', 'count'],
    [
      ['returns of KVM_RUN recorded', grouped(recorded)],
      ['of these continued: no VM exit of their own', grouped(continued)],
      ['lost: happened, not recorded', grouped(lost)],
      ['VM exits kept by KVM: no return to vmlaunch', known(kvm.keptByKvm)],
      ['KVM’s counter of VM exits', known(kvm.exits)],
      ['KVM’s counter of exits to user space', known(kvm.userspaceExits)],
    ],
  );
}

function accesses({ byAccess, otherAccesses }: ExitSummary): Html {
  const rows = byAccess
    .slice(0, MOST_ROWS)
    .map(({ bus, address, write, device, count, rootRing3Ns }) => [
      device ?? '(nobody claims it)',
      bus === 'pio' ? 'port' : 'memory',
      html`<code>${hex(address)}</code>`,
      write ? 'write' : 'read',
      grouped(count),
      duration(rootRing3Ns),
      duration(rootRing3Ns / count),
    ]);
  const hidden = byAccess.slice(MOST_ROWS).reduce((sum, { count }) => sum + count, otherAccesses);
  const columns = ['device', 'bus', 'address', 'direction', 'count', 'time in ring 3', 'mean'];
  return table(
    'accesses',
    'Accesses by device and address',
    columns,
    rows,
    others(hidden, 'accesses at other addresses'),
  );
}

function topInstructions({ byRip, otherRips }: ExitSummary, instructions: Instructions, recorded: number): Html {
  const rows = byRip.slice(0, MOST_ROWS).map(({ rip, ripIs, count }) => {
    const { symbol = '', text = '' } = instructions.get(rip) ?? {};
    return [
      html`<code>${rip}</code>${ripIs === 'after' ? html` <span class="note">after</span>` : ''}`,
      symbol,
      text === '' ? '' : html`<code>${text}</code>`,
      grouped(count),
      percent(count / recorded),
    ];
  });
  const hidden = byRip.slice(MOST_ROWS).reduce((sum, { count }) => sum + count, otherRips);
  const after = byRip.slice(0, MOST_ROWS).some(({ ripIs }) => ripIs === 'after')
    ? html`<p class="note">“after”: KVM had moved rip past the instruction that exited.</p>`
    : html``;
  const note = html`${others(hidden, 'exits at other instructions')}${after}`;
  return table(
    'instructions',
    'Guest’s instructions by exits',
    ['rip', 'symbol', 'instruction', 'count', 'share'],
    rows,
    note,
  );
}

function others(count: number, what: string): Html {
  return count === 0 ? html`` : html`<p class="note">And ${grouped(count)} ${what}.</p>`;
}

/** Columns of counts and times are to the right: those whose name says so. */
const NUMERIC: ReadonlySet<string> = new Set(['count', 'share', 'time in ring 3', 'mean', 'time', 'value']);

type Rows = readonly (readonly Part[])[];

/** A section of its own. @param id of its title */
export function table(id: string, title: string, columns: readonly string[], rows: Rows, after = html``): Html {
  if (rows.length === 0) return missing(id, title, 'None.');
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
${tableElement(id, columns, rows)}${after}</section>`;
}

/** More columns than a phone has room for: there each row is a paragraph, with the columns' names in it. */
const NARROW_COLUMNS = 4;

/** The first column names the row. A table that is too wide scrolls by itself, by keyboard too. */
function tableElement(id: string, columns: readonly string[], rows: Rows): Html {
  const css = columns.map((column) => (NUMERIC.has(column) ? 'number' : 'text'));
  const cell = (part: Part, at: number) =>
    at === 0
      ? html`<th scope="row">${part}</th>`
      : html`<td class="${css[at] ?? ''}" data-name="${columns[at] ?? ''}">${part}</td>`;
  const head = columns.map((column, at) => html`<th scope="col" class="${css[at] ?? ''}">${column}</th>`);
  const body = rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`);
  return html`<div class="scroll" tabindex="0" role="region" aria-labelledby="${id}"><table class="${columns.length > NARROW_COLUMNS ? 'wide' : ''}"><thead><tr>${head}</tr></thead>
<tbody>${body}</tbody></table></div>`;
}

function missing(id: string, title: string, words: string): Html {
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2><p class="note">${words}</p></section>`;
}
