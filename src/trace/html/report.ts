import type { ExitSummary } from '../summary.js';
import { htmlDocument } from './document.js';
import { embedExits } from './embed.js';
import { type Html, html, visible } from './escape.js';
import type { ExitTable } from './exit-table.js';
import { grouped } from './format.js';
import type { InstructionWords, ReportWords } from './page-data.js';
import { countTables, type Instructions, modesSection, table } from './tables.js';

export interface HtmlReport {
  /** The image's name. */
  readonly title: string;
  /** Where it ran: "local", "svm", "vtx". */
  readonly host: string;
  /** "kvm_intel": it also says what a hardware exit's two words are. */
  readonly flavour: string;
  readonly date: Date;
  readonly exits: ExitTable;
  readonly summary: ExitSummary;
  readonly instructions: Instructions;
  /** What watching costs, in rows of what and how much; empty: not measured. */
  readonly cost?: readonly (readonly [what: string, value: string])[];
}

const MOST_INSTRUCTIONS = 4096;

/**
 * The exits of a run as one page that needs no other file and no network.
 * @throws VmError SETUP_FAILED where the page's script is not built
 */
export function htmlReport(report: HtmlReport): string {
  const { title, exits, flavour } = report;
  const words: ReportWords = { flavour, instructions: instructionWords(report.instructions) };
  return htmlDocument({
    title: `VM exits of ${title}`,
    body: body(report),
    script: 'exits-page',
    data: { exits: embedExits(exits), words },
  });
}

function body({ title, host, flavour, date, exits, summary, instructions, cost = [] }: HtmlReport): Html {
  const when = date.toISOString();
  return html`<header><p class="kind">VM exits</p><h1>${title}</h1>
<dl class="facts"><div><dt>host</dt><dd>${host}</dd></div><div><dt>KVM</dt><dd>${flavour}</dd></div><div><dt>date</dt><dd><time datetime="${when}">${when.slice(0, 16).replace('T', ' ')} UTC</time></dd></div><div><dt>recorded</dt><dd>${grouped(summary.recorded)} returns of KVM_RUN</dd></div></dl></header>
<main>
<section class="timeline" aria-labelledby="timeline-title"><h2 id="timeline-title">Timeline</h2>
${leftOutWords(exits, summary)}<div id="timeline"></div><noscript><p>The timeline needs JavaScript; the tables below do not.</p></noscript></section>
${modesSection(summary.modes)}
${countTables(summary, instructions)}
${cost.length === 0 ? html`<section aria-labelledby="cost"><h2 id="cost">Cost of watching</h2><p class="note">Not measured.</p></section>` : table('cost', 'Cost of watching', ['what', 'value'], cost)}
</main>
<footer><p>Made by vmlaunch. Terms as in Intel’s SDM, volume 3: VMX root and non-root operation, VM entry, VM exit; on AMD, host and guest mode.</p></footer>`;
}

function leftOutWords({ length, leftOut }: ExitTable, { lost }: ExitSummary): Html {
  const left =
    leftOut === 0
      ? html``
      : html`<p class="warning">The timeline has the first ${grouped(length)} returns; ${grouped(leftOut)} more were left out. The tables count all.</p>`;
  const gone =
    lost === 0
      ? html``
      : html`<p class="warning">${grouped(lost)} exits happened and were not recorded: gaps in the timeline.</p>`;
  return html`${left}${gone}`;
}

function instructionWords(instructions: Instructions): Record<string, InstructionWords> {
  const shown = (text: string | undefined) => (text === undefined ? undefined : visible(text));
  const entries = [...instructions].slice(0, MOST_INSTRUCTIONS);
  return Object.fromEntries(
    entries.map(([rip, { symbol, text }]) => [rip, { symbol: shown(symbol), text: shown(text) }]),
  );
}
