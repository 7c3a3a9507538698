/** The kernel's descriptions of its trace events: an event's `format` file, and `header_page` (Linux, events.rst). */

/** A field: where it is in a record, in bytes. */
export interface Field {
  readonly offset: number;
  readonly size: number;
  readonly signed: boolean;
}

export interface EventFormat {
  readonly name: string;
  /** What a record's `common_type` says. */
  readonly id: number;
  readonly fields: ReadonlyMap<string, Field>;
  /** How the kernel prints it: C's printf, with the kernel's tables in it. */
  readonly print: string;
}

/** Names by value, from a `__print_symbolic` or a `__print_flags`. */
export interface NameTable {
  /** The instruction set that it is for: 1 is VT-x; undefined where it is for all that no other is for. */
  readonly isa: number | undefined;
  /** The bits of the value that it is about. */
  readonly mask: number;
  readonly names: ReadonlyMap<number, string>;
}

export function parseFormat(text: string): EventFormat {
  const line = (name: string) => new RegExp(`^${name}: *(.*)$`, 'm').exec(text)?.[1] ?? '';
  return { name: line('name'), id: Number(line('ID')), fields: parseFields(text), print: line('print fmt') };
}

/** The lines of a `format` or a `header_page`: "field:u32 isa;	offset:24;	size:4;	signed:0;" */
export function parseFields(text: string): Map<string, Field> {
  const lines = text.matchAll(/^\s*field:.*?(\w+)(?:\[\w*\])?;\s*offset:(\d+);\s*size:(\d+);\s*signed:(\d);/gm);
  const fields = new Map<string, Field>();
  for (const [, name = '', offset, size, signed] of lines) {
    fields.set(name, { offset: Number(offset), size: Number(size), signed: signed === '1' });
  }
  return fields;
}

const NUMBER = '-?(?:0x[0-9a-fA-F]+|\\d+)';
const ENTRY = new RegExp(`\\{ *(${NUMBER}(?: *\\+ *${NUMBER})*) *, *((?:"[^"]*" *)+)\\}`, 'g');

/**
 * The tables by which the kernel names a field's values, in the order of the text. Of `__print_flags` too, where
 * `how` says so. An entry whose value is no number is left out.
 */
export function nameTables(print: string, how: '__print_symbolic' | '__print_flags', field: string): NameTable[] {
  const call = new RegExp(
    `(?:\\(REC->isa == (\\d+)\\) \\? )?${how}\\(REC->${field}(?: & (~?)(${NUMBER}))?, (?:"[^"]*", )?((?:\\{[^}]*\\}(?:, *)?)*)\\)`,
    'g',
  );
  return [...print.matchAll(call)].map(([, isa, not, bits = '-1', entries = '']) => ({
    isa: isa === undefined ? undefined : Number(isa),
    mask: not === '~' ? ~Number(bits) : Number(bits),
    names: parseEntries(entries),
  }));
}

/** "{ 0x040 + 1, "DB excp" }, { 6, "#" "UD" }" */
function parseEntries(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const [, value = '', words = ''] of text.matchAll(ENTRY)) {
    const sum = value.split('+').reduce((total, term) => total + Number(term), 0);
    names.set(sum >>> 0, words.replaceAll(/" *"?/g, ''));
  }
  return names;
}
