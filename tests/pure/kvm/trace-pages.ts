/** What a kernel gives of its trace, put together: format files and pages of the ring buffer. */
import { parseFormat } from '../../../src/kvm/trace-format.js';

export const HEADER_PAGE = `	field: u64 timestamp;	offset:0;	size:8;	signed:0;
	field: local_t commit;	offset:8;	size:8;	signed:1;
	field: int overwrite;	offset:8;	size:1;	signed:1;
	field: char data;	offset:16;	size:4080;	signed:1;
`;

interface FormatSetup {
  readonly name: string;
  readonly id: number;
  /** "type name offset size signed" */
  readonly fields: readonly string[];
  readonly print: string;
}

const COMMON = ['unsigned short common_type 0 2 0', 'unsigned char common_flags 2 1 0', 'int common_pid 4 4 1'];

export function formatText({ name, id, fields, print }: FormatSetup): string {
  const lines = [...COMMON, ...fields].map((field) => {
    const [, declaration, offset, size, signed] = /^(.*) (\d+) (\d+) (\d)$/.exec(field) ?? [];
    return `\tfield:${declaration};\toffset:${offset};\tsize:${size};\tsigned:${signed};\n`;
  });
  return `name: ${name}\nID: ${id}\nformat:\n${lines.slice(0, 3).join('')}\n${lines.slice(3).join('')}\nprint fmt: ${print}\n`;
}

const EXIT_PRINT =
  '"vcpu %u reason %s%s%s rip 0x%lx", REC->vcpu_id, (REC->isa == 1) ? ' +
  '__print_symbolic(REC->exit_reason & 0xffff, { 1, "EXTERNAL_INTERRUPT" }, { 30, "IO_INSTRUCTION" }, ' +
  '{ 33, "INVALID_STATE" }) : __print_symbolic(REC->exit_reason, { 0x040 + 14, "PF excp" }, { 0x07b, "io" }, ' +
  '{ -1, "invalid_guest_state" }), (REC->isa == 1 && REC->exit_reason & ~0xffff) ? " " : "", (REC->isa == 1) ? ' +
  '__print_flags(REC->exit_reason & ~0xffff, " ", { 0x80000000, "FAILED_VMENTRY" }) : "", REC->guest_rip';

/** As Linux 6.1 and later have it. */
export const EXIT = formatText({
  name: 'kvm_exit',
  id: 103,
  fields: [
    'unsigned int exit_reason 8 4 0',
    'unsigned long guest_rip 16 8 0',
    'u32 isa 24 4 0',
    'u64 info1 32 8 0',
    'u64 info2 40 8 0',
    'u32 intr_info 48 4 0',
    'u32 error_code 52 4 0',
    'unsigned int vcpu_id 56 4 0',
    'u64 requests 64 8 0',
  ],
  print: EXIT_PRINT,
});

/** Other places, and no word of interrupts: as before 5.10. */
export const OLD_EXIT = formatText({
  name: 'kvm_exit',
  id: 7,
  fields: [
    'unsigned int exit_reason 8 4 0',
    'unsigned long guest_rip 16 8 0',
    'u32 isa 24 4 0',
    'u64 info1 32 8 0',
    'u64 info2 40 8 0',
    'unsigned int vcpu_id 48 4 0',
  ],
  print: EXIT_PRINT,
});

export const USERSPACE_EXIT = formatText({
  name: 'kvm_userspace_exit',
  id: 42,
  fields: ['__u32 reason 8 4 0', 'int errno 12 4 1'],
  print: '"reason %s (%d)"',
});

/** With `reinjected` where the kernel has it. */
export const injException = (reinjected: boolean): string =>
  formatText({
    name: 'kvm_inj_exception',
    id: 101,
    fields: [
      'u8 exception 8 1 0',
      'u8 has_error 9 1 0',
      'u32 error_code 12 4 0',
      ...(reinjected ? ['bool reinjected 16 1 0'] : []),
    ],
    print:
      '"%s%s%s%s%s", __print_symbolic(REC->exception, { 6, "#" "UD" }, { 14, "#" "PF" }), ' +
      '!REC->has_error ? "" : __print_symbolic(REC->error_code, { })',
  });

/** A record of a format, by the fields' names. */
export function record(format: string, values: Readonly<Record<string, bigint | number>>): Uint8Array {
  const { id, fields } = parseFormat(format);
  const size = Math.max(...[...fields.values()].map((field) => field.offset + field.size));
  const bytes = new Uint8Array(Math.ceil(size / 4) * 4);
  for (const [name, value] of Object.entries({ common_type: id, ...values })) {
    const field = fields.get(name);
    if (field === undefined) throw new Error(`no field ${name}`);
    for (let i = 0; i < field.size; i++) {
      bytes[field.offset + i] = Number((BigInt.asUintN(64, BigInt(value)) >> BigInt(8 * i)) & 0xffn);
    }
  }
  return bytes;
}

/** A page of the ring buffer, event by event. */
export class Page {
  readonly bytes = new Uint8Array(4096);
  readonly #view = new DataView(this.bytes.buffer);
  #end = 16;

  constructor(timestamp: number) {
    this.#view.setBigUint64(0, BigInt(timestamp), true);
  }

  /** An event's header and words. */
  raw(typeLen: number, delta: number, ...words: readonly number[]): this {
    for (const word of [delta * 32 + typeLen, ...words]) {
      this.#view.setUint32(this.#end, word, true);
      this.#end += 4;
    }
    return this.commit(this.#end - 16);
  }

  /** A record, `delta` after what is before it. @param long gives it a length of its own */
  add(delta: number, data: Uint8Array, long = data.length > 112): this {
    this.raw(long ? 0 : data.length / 4, delta, ...(long ? [data.length + 4] : []));
    this.bytes.set(data, this.#end);
    this.#end += data.length;
    return this.commit(this.#end - 16);
  }

  commit(length: number): this {
    this.#view.setUint32(8, length, true);
    return this;
  }
}
