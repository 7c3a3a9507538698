import { readFileSync } from 'node:fs';
import { messageOf, VmError } from '../errors.js';

/** A line of the guest's source. */
export interface SourceLine {
  /** From guest-images/ on. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Without the blanks around it. */
  readonly text: string;
}

/** What guest-images/printf/line-table.mjs writes. */
export interface LineTableJson {
  readonly symbols: Readonly<Record<string, number>>;
  readonly files: readonly { readonly path: string; readonly lines: readonly string[] }[];
  /** By address: index of the file, and line; an address alone has no source. */
  readonly rows: readonly (readonly [number] | readonly [number, number, number])[];
}

/** Which line of the source an instruction comes from; made with the guest by binutils. */
export class LineTable {
  /** @throws VmError SETUP_FAILED where the table was not made */
  static read(file: string): LineTable {
    try {
      return new LineTable(JSON.parse(readFileSync(file, 'utf8')) as LineTableJson);
    } catch (error) {
      const hint = 'Type: npm run build';
      throw new VmError('SETUP_FAILED', `${file} cannot be read: ${messageOf(error)}`, { cause: error, hint });
    }
  }

  constructor(private readonly json: LineTableJson) {}

  /** A symbol's address. */
  symbol(name: string): number | undefined {
    return Object.hasOwn(this.json.symbols, name) ? this.json.symbols[name] : undefined;
  }

  at(rip: bigint): SourceLine | undefined {
    const { rows } = this.json;
    const address = Number(rip);
    let next = 0;
    for (let end = rows.length; next < end; ) {
      const middle = (next + end) >> 1;
      if ((rows[middle]?.[0] ?? 0) <= address) next = middle + 1;
      else end = middle;
    }
    const [, file, line] = rows[next - 1] ?? [];
    if (file === undefined || line === undefined) return undefined;
    return this.#line(file, line);
  }

  /** The line below that of `rip`, where a statement is: after a stamp, what it announces. */
  below(rip: bigint): SourceLine | undefined {
    const here = this.at(rip);
    if (here === undefined) return undefined;
    const next = this.#line(
      this.json.files.findIndex(({ path }) => path === here.file),
      here.line + 1,
    );
    return next !== undefined && /\w/.test(next.text) ? next : here;
  }

  #line(file: number, line: number): SourceLine | undefined {
    const { path, lines } = this.json.files[file] ?? {};
    const text = lines?.[line - 1];
    return path === undefined || text === undefined ? undefined : { file: path, line, text: text.trim() };
  }
}
