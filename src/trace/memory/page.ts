/** A view of memory as a page. */

import { endOf } from '../../memory/mappings.js';
import { htmlDocument } from '../html/document.js';
import { type Html, html, type Part } from '../html/escape.js';
import { grouped } from '../html/format.js';
import { picture, RIGHTS } from './picture.js';
import type { SecondLevelWalk } from './second-level.js';
import type { MemoryView, SecondView, VcpuView, WalkView } from './view.js';
import {
  digits,
  kindWords,
  MODELLED,
  physicalWords,
  placeWords,
  READ,
  referencesOf,
  regionsOf,
  resultWords,
  rightsWords,
  ringWords,
  secondEntryName,
  sizeWords,
} from './words.js';

export interface MemoryPage {
  readonly title: string;
  readonly host: string;
  readonly flavour: string;
  readonly date: Date;
  readonly view: MemoryView;
}

const MOST_REGIONS = 400;

const STYLES = `
.source { float: right; color: var(--muted); font-weight: 400; font-size: 13px; border: 1px solid var(--line); border-radius: 10px; padding: 0 9px; margin-left: 10px; }
.source.modelled { border-style: dashed; }
.scroll .map { min-width: 640px; display: block; }
.map text { fill: var(--ink); font: 13px ui-monospace, "DejaVu Sans Mono", monospace; }
.map .small { fill: var(--muted); font-size: 12px; }
.map .head { font: 600 13px system-ui, "DejaVu Sans", sans-serif; fill: var(--muted); }
.box { fill: var(--page); stroke: var(--line); stroke-width: 1.5; }
.hole { stroke-dasharray: 4 4; fill: none; } .device { stroke: var(--warning); } .ram { stroke: var(--accent); }
.line { stroke-width: 1.5; stroke-opacity: 0.75; } .slot { stroke: var(--accent); }
.edge-code { stroke: var(--nonroot); } .edge-data { stroke: var(--ring3); } .edge-both { stroke: var(--mark); } .edge-constant { stroke: var(--inside); }
.edge-data { stroke-dasharray: 7 3; } .edge-both { stroke-dasharray: 2 3; } .edge-constant { stroke-dasharray: 10 3 2 3; }
.legend svg { width: 34px; height: 10px; margin-right: 7px; }
.cells td { white-space: nowrap; } .cells b { color: var(--mark); }
td.mono, td .mono { white-space: nowrap; }
`;

export function memoryPage({ title, host, flavour, date, view }: MemoryPage): string {
  const [first] = view.vcpus;
  const facts: readonly (readonly [string, string])[] = [
    ['host', `${host}, ${flavour}`],
    ['moment', view.moment],
    ['RAM', sizeWords(view.ramBytes)],
    ['date', date.toISOString().slice(0, 16).replace('T', ' ')],
  ];
  const body = html`<header><p class="kind">vmlaunch: a machine's memory</p><h1>${title}</h1>
<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl></header>
<main>
${section('picture', 'From guest-virtual to the host', READ, html`${scroll('picture', picture(view.map, first?.mappings))}${legend()}`)}
${mapSection(view)}
${view.vcpus.map(vcpuSection)}
${secondSection(view)}
</main>
<footer>Made by vmlaunch memory. It asks for nothing and runs no script.</footer>`;
  return htmlDocument({ title: `${title}: memory`, body, styles: STYLES });
}

function section(id: string, title: string, source: string, body: Html): Html {
  const css = source === READ ? 'source' : 'source modelled';
  return html`<section aria-labelledby="${id}-title"><h2 id="${id}-title"><span class="${css}">${source}</span>${title}</h2>
${body}</section>`;
}

/** What is wider than a phone, reached by keys too. */
const scroll = (name: string, body: Html): Html =>
  html`<div class="scroll" tabindex="0" role="region" aria-label="${name}">${body}</div>`;

function table(name: string, heads: readonly string[], rows: readonly (readonly Part[])[], css = ''): Html {
  return scroll(
    name,
    html`<table class="${css}"><thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td class="mono">${cell}</td>`)}</tr>\n`)}</tbody></table>`,
  );
}

function legend(): Html {
  const entries = RIGHTS.map(
    ({ css, words }) =>
      html`<li><svg aria-hidden="true"><line class="line edge-${css}" x1="0" y1="5" x2="34" y2="5"/></svg>${words}</li>`,
  );
  return html`<ul class="legend">${entries}</ul><p class="note">A region's lines lead to where its pieces are; heights are no sizes. An access to a dashed range is an exit to vmlaunch.</p>`;
}

function mapSection({ map }: MemoryView): Html {
  const rows = map.map((row) => [
    `${digits(row.start, 9)}-${digits(row.end - 1, 9)}`,
    sizeWords(row.end - row.start),
    row.e820 ?? '–',
    row.slot === undefined ? '–' : `${row.slot}${row.readOnly ? ', read-only' : ''}`,
    row.hostVirtual === undefined ? '–' : digits(row.hostVirtual, 12),
    row.device ?? (row.slot === undefined ? 'none: exits' : ''),
  ]);
  const heads = ['guest-physical', 'size', 'e820', 'slot', 'host-virtual', 'device'];
  return section('map', 'Memory map', READ, table('memory map', heads, rows));
}

function vcpuSection(cpu: VcpuView): Html {
  const { id, mode, wasReset, mappings, walks, paging } = cpu;
  if (wasReset) {
    const words = html`<p class="warning">KVM has reset it after a triple fault: the page tables that it had are not known.</p>`;
    return section(`cpu${id}`, `vCPU ${id}`, READ, words);
  }
  const regions = regionsOf(mappings?.ranges ?? []);
  const rows = regions.slice(0, MOST_REGIONS).map((region) => {
    const { linear, pages, pageSize, accessed, dirty } = region;
    const end = endOf(region) - 1n;
    return [
      `${digits(linear, 8)}-${digits(end, 8)}`,
      sizeWords(pages * pageSize),
      `${grouped(pages)} × ${sizeWords(pageSize)}`,
      rightsWords(region),
      grouped(accessed),
      grouped(dirty),
      placeWords(region),
    ];
  });
  const more =
    regions.length > MOST_REGIONS ? html`<p class="note">and ${grouped(regions.length - MOST_REGIONS)} more</p>` : '';
  const heads = ['linear', 'size', 'pages', 'rights', 'accessed', 'dirty', 'guest-physical'];
  const tables =
    mappings === undefined
      ? html`<p>Paging is off: a linear address is the guest-physical one.</p>`
      : html`<p>CR3 <code>${digits(paging.cr3, 8)}</code>, ${grouped(mappings.tables)} tables${mappings.whole ? '' : ', not read to their end'}. Rights: u, ring 3 too; G, global.</p>${table(`page tables of vCPU ${id}`, heads, rows)}${more}`;
  return html`${section(`cpu${id}`, `vCPU ${id}: ${mode}`, READ, tables)}
${walks.map((walk, i) => walkSection(`cpu${id}-walk${i}`, walk))}`;
}

function walkSection(id: string, view: WalkView): Html {
  const { name, walk, hostVirtual, hostPhysical, accesses } = view;
  const last = walk.steps.at(-1);
  const rows = walk.steps.map(({ entry, index, address, value, flags }) => [
    `${entry}[${index}]`,
    digits(address, 8),
    value === undefined ? 'not in RAM' : digits(value, 16),
    flags.join(' '),
  ]);
  const address = `0x${digits(walk.linearAddress, 1)}`;
  const title = name === address ? `Walk of ${address}` : `Walk of ${name}, ${address}`;
  const host: Part =
    hostVirtual === undefined
      ? ''
      : html`<p>Host-virtual <code>${digits(hostVirtual, 12)}</code>; host-physical <code>${physicalWords(hostPhysical ?? 'hidden')}</code>.</p>`;
  const rings = [false, true].map((user) => html`<p><b>ring ${user ? 3 : 0}</b> ${ringWords(accesses, user)}</p>`);
  return section(
    id,
    title,
    READ,
    html`${rows.length === 0 ? '' : table(title, ['entry', 'at', 'value', 'bits'], rows)}
<p>${resultWords(walk.result, last && `${last.entry}[${last.index}]`)}</p>${host}
<p class="note">${MODELLED}, by the entries and the control registers:</p>${rings}`,
  );
}

function secondSection({ second, vcpus }: MemoryView): Html {
  const { kind, counters, faults, faultCount, eventsMissing } = second;
  const known = Object.entries(counters).filter(([, value]) => value > 0);
  const events: Part =
    eventsMissing === undefined
      ? html`<p>${grouped(faultCount)} kvm_page_fault events${faults.length < faultCount ? `, of which the first ${faults.length}` : ''}:</p>${table(
          'faults',
          ['guest-physical', 'rip', 'access', 'code'],
          faults.map(({ guestPhysical, rip, kind: access, table: isTable, errorCode }) => [
            digits(guestPhysical, 9),
            digits(rip, 8),
            `${access}${isTable ? ', of a guest page table' : ''}`,
            `0x${digits(errorCode, 1)}`,
          ]),
        )}`
      : html`<p class="warning">${eventsMissing}</p>`;
  const body = html`<p>KVM's counters: ${known.map(([name, value]) => `${name} ${grouped(value)}`).join(', ') || 'none to read'}.</p>${events}`;
  const walk = vcpus[0]?.walks[0];
  return html`${section('second', `The second dimension: ${kind ?? 'none, KVM has shadow page tables'}`, READ, body)}
${kind === undefined || walk === undefined || walk.walk.steps.length === 0 ? '' : gridSection(walk, second)}`;
}

/** Each reference has its number, in the order in which the CPU makes them. */
function gridSection(view: WalkView, second: SecondView): Html {
  const { name, walk, second: ways = [] } = view;
  const isKnown = ways.length > 0 && ways.every((way) => way.isKnown);
  const levels = Math.max(...ways.map(({ entries }) => entries.length), 1);
  const top = ways[0]?.entries[0]?.level ?? levels;
  let number = 0;
  const cells = (way: SecondLevelWalk | undefined): Part[] => {
    const filled = (way?.entries ?? []).map((entry) => {
      const value = entry.value === undefined ? MODELLED : digits(entry.value, 1);
      return html`<b>${++number}</b> ${secondEntryName(entry)}<br>${value}`;
    });
    return [...filled, ...Array.from({ length: levels - filled.length }, () => html`–`)];
  };
  const rows = walk.steps.map((step, i) => {
    const own = cells(ways[i]);
    return [...own, html`<b>${++number}</b> ${step.entry}[${step.index}]<br>${digits(step.value ?? 0n, 1)}`];
  });
  if (walk.result.outcome === 'mapped') {
    rows.push([...cells(ways[walk.steps.length]), html`the address<br>${digits(walk.result.physicalAddress, 8)}`]);
  }
  const { guest, host, sum } = referencesOf(view, ways);
  const kind = kindWords(second);
  const heads = [...Array.from({ length: levels }, (_, i) => `${kind}, level ${top - i}`), 'guest'];
  return section(
    'two',
    `The walk of ${name} in two dimensions: ${sum} references`,
    isKnown ? `${READ}: KVM's events` : `in part ${MODELLED}`,
    html`<p>Each entry of the guest's is at a guest-physical address, which the CPU translates by the ${kind} before it reads it; the address at the end too.</p>
${table('references', heads, rows, 'cells')}
<p class="note">${guest} references to the guest's tables, ${host.join(' + ')} to the host's. ${MODELLED}: with pages of 4 KiB all along and four levels on both sides they would be 4 × (4 + 1) + 4 = 24. A large page on either side ends a walk early, and the CPU's caches for each level save most of it.</p>`,
  );
}
