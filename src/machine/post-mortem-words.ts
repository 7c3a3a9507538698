import type { Activity } from './activity.js';
import type { CpuState, FlagsValue } from './cpu-state.js';
import type { DeviceExit, KvmRecord, PostMortem, VcpuPostMortem } from './post-mortem.js';

const WIDTH = 80;
/** Digits of a 64-bit value, and of one below 2^32. */
const LONG = 16;
const SHORT = 8;

/** A post-mortem as text for people: lines of at most 80 characters, each ended by "\n". */
export function describePostMortem({ reason, output, vcpus }: PostMortem): string {
  const lines = [
    ...wrap('why: ', reason),
    ...wrap('console: ', outputWords(output)),
    ...vcpus.flatMap((vcpu, i) => describeVcpu(vcpu, i === 0)),
  ];
  return `${lines.join('\n')}\n`;
}

function outputWords({ bytes, silentMs }: PostMortem['output']): string {
  if (bytes === 0 || silentMs === undefined) return 'the guest has printed nothing';
  return `the guest has printed ${bytes} ${bytes === 1 ? 'byte' : 'bytes'}, the last ${seconds(silentMs)} s before`;
}

/** Of many vCPUs the first is shown whole, of the others what they did; the data has all. */
function describeVcpu({ id, activity, state, lost, kvm, exits }: VcpuPostMortem, isWhole: boolean): string[] {
  const name = `vCPU ${id}`;
  const place = state === undefined ? '' : ` in ${state.mode}, at rip ${state.registers.rip}`;
  const doing = activity === undefined ? '' : `: ${activityWords(activity)}`;
  const lines = wrap('', `${name}${place}${doing}`);
  if (!isWhole) return lines;
  if (lost !== undefined) lines.push(...wrap('  ', lost));
  if (kvm !== undefined) lines.push(...wrap('  the kernel recorded: ', kvmWords(kvm)));
  if (state !== undefined) lines.push(...stateLines(state));
  lines.push(...exitLines(exits));
  return lines;
}

function kvmWords({ lastExit, injected }: KvmRecord): string {
  const exit = lastExit === undefined ? 'no exit' : `its last exit, "${lastExit.reason}", at rip ${lastExit.rip}`;
  return `${exit}; KVM injected ${injected.length === 0 ? 'no exception' : injected.join(', ')}`;
}

function activityWords({ doing, interruptsOn, windowMs, exits }: Activity): string {
  const span = `in the last ${seconds(windowMs)} s`;
  const made = Object.entries(exits).sort((a, b) => b[1] - a[1]);
  const perSecond = (count: number): string => `${Math.round((count * 1000) / Math.max(windowMs, 1))}`;
  const rates = made.map(([reason, count]) => `${perSecond(count)} ${reason}`).join(', ');
  switch (doing) {
    case 'not-started':
      return 'waits for another CPU to start it';
    case 'halted': {
      const wait = interruptsOn ? 'halted, waiting for an interrupt (IF=1)' : 'halted for good (IF=0)';
      return `${wait}; ${made.length === 0 ? 'no exit' : `${rates} exits a second`} ${span}`;
    }
    case 'spinning':
      return `running without an exit ${span}: it spins or computes`;
    case 'exiting':
      return `making exits: ${rates} a second ${span}`;
  }
}

function stateLines(state: CpuState): string[] {
  return [
    ...codeLines(state),
    ...registerLines(state),
    ...flagLines('rflags', state.rflags),
    ...flagLines('cr0', state.cr0),
    `  cr2    ${digits(state.cr2, LONG)}`,
    `  cr3    ${digits(state.cr3, LONG)}`,
    ...flagLines('cr4', state.cr4),
    ...flagLines('efer', state.efer),
    ...segmentLines(state),
    ...walkLines(state),
  ];
}

function codeLines({ code }: CpuState): string[] {
  if (code.length === 0) return ['  the bytes at rip are not in RAM'];
  return code.map(({ rip, bytes, text }, i) => {
    const at = `  ${i === 0 ? '>' : ' '} ${rip.slice(2).padStart(SHORT, '0')}  ${bytes.padEnd(20)} `;
    return `${at}${text}`.slice(0, WIDTH);
  });
}

const REGISTER_ROWS = [
  ['rax', 'rbx', 'rcx'],
  ['rdx', 'rsi', 'rdi'],
  ['rsp', 'rbp', 'rip'],
  ['r8', 'r9', 'r10'],
  ['r11', 'r12', 'r13'],
  ['r14', 'r15'],
] as const;

function registerLines({ registers }: CpuState): string[] {
  return REGISTER_ROWS.map((row) => {
    const cells = row.map((name) => `${name.padEnd(3)} ${digits(registers[name], LONG)}`);
    return `  ${cells.join('  ')}`;
  });
}

function flagLines(name: string, { value, flags }: FlagsValue): string[] {
  return wrap(`  ${name.padEnd(6)} ${digits(value, LONG)}  `, flags.join(' '));
}

function segmentLines({ segments, gdt, idt }: CpuState): string[] {
  const segment = (name: keyof typeof segments): string => {
    const { selector, base, limit } = segments[name];
    return `${name.padEnd(3)} ${digits(selector, 4)} base ${digits(base, SHORT)} limit ${digits(limit, SHORT)}`;
  };
  const table = ({ base, limit }: typeof gdt): string => `base ${digits(base, SHORT)} limit ${digits(limit, 4)}`;
  return [
    ...(['cs', 'ss', 'ds', 'es', 'fs', 'gs', 'tr'] as const).map((name) => `  ${segment(name)}`),
    `  gdt      ${table(gdt)}`,
    `  idt      ${table(idt)}`,
  ];
}

function walkLines({ walk: { linearAddress, mode, steps, result } }: CpuState): string[] {
  if (mode === 'off') return wrap('  page walk of rip: ', `paging is off; ${resultWords(result)}`);
  const lines = [`  page walk of ${linearAddress}, ${mode} paging`];
  for (const { entry, index, address, value, flags } of steps) {
    const what = value === undefined ? 'not in RAM' : `${digits(value, LONG)}  ${flags.join(' ')}`;
    lines.push(...wrap('    ', `${`${entry}[${index}]`.padEnd(10)} at ${digits(address, SHORT)}: ${what}`.trimEnd()));
  }
  return [...lines, ...wrap('    ', resultWords(result))];
}

function resultWords(result: CpuState['walk']['result']): string {
  switch (result.outcome) {
    case 'not-canonical':
      return 'the address is not canonical';
    case 'not-present':
      return 'not present: the last entry has P clear';
    case 'reserved-bit':
      return 'the last entry has a bit set that must be clear';
    case 'table-outside-ram':
      return 'the last entry would be where no RAM is';
    case 'mapped': {
      const { physicalAddress, pageSize, inRam, writable, user, executable } = result;
      const ram = inRam ? '' : ', where no RAM is';
      if (pageSize === 0) return `physical ${physicalAddress}${ram}`;
      const who = user ? 'ring 3 too' : 'not for ring 3';
      const rights = [writable ? 'writable' : 'read-only', executable ? 'executable' : 'not executable', who];
      return `physical ${physicalAddress}${ram} in a page of ${sizeWords(pageSize)}: ${rights.join(', ')}`;
    }
  }
}

function sizeWords(bytes: number): string {
  if (bytes >= 1 << 30) return `${bytes / (1 << 30)} GiB`;
  return bytes >= 1 << 20 ? `${bytes / (1 << 20)} MiB` : `${bytes / 1024} KiB`;
}

function exitLines(exits: readonly DeviceExit[]): string[] {
  if (exits.length === 0) return ['  it made no exit'];
  const title = exits.length === 1 ? 'its only exit' : `its last ${exits.length} exits, oldest first`;
  return [`  ${title}`, ...exits.map((exit) => `    ${exitWords(exit)}`)];
}

function exitWords(exit: DeviceExit): string {
  if (!('write' in exit)) return exit.reason;
  const { size, write, device = 'no device' } = exit;
  const bytes = size === 1 ? '1 byte ' : `${size} bytes`;
  if ('port' in exit) {
    const times = exit.count === 1 ? '' : `, ${exit.count} times`;
    const value = exit.value.toString(16).padStart(2 * size, '0');
    return `${write ? 'out' : 'in '} port 0x${exit.port.toString(16)}, ${bytes} ${value}${times} (${device})`;
  }
  return `${write ? 'write' : 'read'} at ${exit.address}, ${bytes} ${digits(exit.value, 2 * size)} (${device})`;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1);
const digits = (hex: string, count: number): string => hex.slice(2).padStart(count, '0');

/** Lines of `first` and the text, broken at spaces; those that follow are indented as far as `first`, at most 8. */
function wrap(first: string, text: string): string[] {
  const indent = ' '.repeat(first.trim() === '' ? first.length : Math.min(first.length, 8));
  const lines: string[] = [];
  let line = first;
  let isBegun = false;
  for (const word of text.split(' ')) {
    if (isBegun && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = indent + word;
    } else {
      line += isBegun ? ` ${word}` : word;
    }
    isBegun = true;
  }
  return [...lines, line.trimEnd()];
}
