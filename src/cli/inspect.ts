import { type Inspection, inspectImage, type Way } from '../boot/inspect.js';
import { hex, sizeText } from '../boot/place.js';
import type { Entry } from '../boot/plan.js';
import { bootInput } from '../machine/plan-machine.js';
import { withFirmware } from './firmware.js';
import { type ImageOptions, imageOptions } from './image-options.js';

export interface InspectOptions extends ImageOptions {
  readonly json?: boolean;
}

const REFUSED = 2;

/** `vmlaunch inspect`: what an image is. Status 0 where it would start, else 2. @throws VmError */
export async function inspect(file: string, options: InspectOptions): Promise<number> {
  const { image, boot } = bootInput(imageOptions(file, await withFirmware(file, options)));
  const inspection = inspectImage(image, boot);
  const text = options.json === true ? `${JSON.stringify(inspection, null, 2)}\n` : inspectionText(file, inspection);
  process.stdout.write(text);
  return 'refusal' in inspection.taken ? REFUSED : 0;
}

/** For people: lines of at most 80 columns, where the image's own texts are no longer. */
export function inspectionText(file: string, { bytes, unpackedBytes, forms, taken, others }: Inspection): string {
  const size = unpackedBytes === undefined ? sizeText(bytes) : `${sizeText(bytes)}, gzip of ${sizeText(unpackedBytes)}`;
  return [
    `${file}: ${size}`,
    `forms: ${forms.join(', ')}`,
    '',
    ...wayLines(taken),
    ...others.flatMap((way) => ['', ...otherLines(way)]),
    '',
  ].join('\n');
}

function wayLines(way: Way): string[] {
  if ('refusal' in way) {
    const { message, hint } = way.refusal;
    return [`refused as ${way.form}: ${message}`, ...(hint === '' ? [] : [`  ${hint}`])];
  }
  const rows = way.segments.map(({ what, address, bytes, memoryBytes }) => [
    hex(address),
    hex(address + memoryBytes - 1),
    String(bytes),
    memoryBytes > bytes ? `+${memoryBytes - bytes}` : '',
    what,
  ]);
  const table = columns([['from', 'to', 'bytes', 'zeroed', 'what'], ...rows], [1, 1, 1, 1, 0]);
  return [`${way.form}: ${way.description}`, '', ...table, '', ...entryLines(way.entry)];
}

function otherLines(way: Way): string[] {
  if ('refusal' in way) return wayLines(way);
  const { mode, rip } = way.entry;
  return [
    `also ${way.form}: ${way.description}; ${mode === 'reset' ? 'through a firmware' : `enters ${mode} mode at ${hex(rip)}`}`,
  ];
}

function entryLines({ mode, rip, registers = {}, gdt, cr3 }: Entry): string[] {
  if (mode === 'reset') return ['entered at the reset vector, f000:fff0 with the CS base 0xffff0000'];
  const values = Object.entries(registers).map(([name, value]) => `${name} ${hex(value ?? 0)}`);
  if (gdt) values.push(`cs ${hex(gdt.code)}`, `ds ${hex(gdt.data)}`, `gdt ${hex(gdt.base)}`);
  if (cr3 !== undefined) values.push(`cr3 ${hex(cr3)}`);
  return [`entered in ${mode} mode at ${hex(rip)}`, `  ${values.join(', ')}`, '  all other registers 0'];
}

/** Columns two spaces apart; 1 in `right` sets a column to the right. */
function columns(rows: readonly (readonly string[])[], right: readonly number[]): string[] {
  const widths = right.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (right[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
