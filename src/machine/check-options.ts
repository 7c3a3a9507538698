/** Options against what they may be: a program in JavaScript has nothing else to tell it. */
import { types } from 'node:util';
import { type EntryMode, FORM_NAMES } from '../boot/plan.js';
import { VmError } from '../errors.js';
import { pvFeatureNames } from '../kvm/cpuid.js';
import { HUGE_PAGES } from '../memory/huge-pages.js';
import { checkBreaks } from './break-on.js';
import { type KvmPort, MAX_CPUS, type MachineOptions, type ModuleOptions } from './options.js';

/** Node.js fires a timer of 2^31 ms or more at once. */
const MAX_TIMEOUT_S = Math.floor((2 ** 31 - 1) / 1000);

interface Rule {
  /** What the option must be, as it ends a sentence. */
  readonly wanted: string;
  readonly holds: (value: unknown) => boolean;
}

const isString = (value: unknown): boolean => typeof value === 'string';
const isNumber = (least: number, most: number) => (value: unknown) =>
  typeof value === 'number' && value >= least && value <= most;

const isWhole = (least: number, most: number) => (value: unknown) =>
  isNumber(least, most)(value) && Number.isInteger(value);

const BOOLEAN: Rule = { wanted: 'true or false', holds: (value) => typeof value === 'boolean' };
const TEXT: Rule = { wanted: 'a string', holds: isString };
const FILE: Rule = {
  wanted: "a file's name or a Uint8Array",
  holds: (value) => isString(value) || types.isUint8Array(value),
};
const oneOf = (names: readonly string[]): Rule => ({
  wanted: names
    .map((name) => `"${name}"`)
    .join(', ')
    .replace(/, ([^,]*)$/, ' or $1'),
  holds: (value) => isString(value) && names.includes(`${value}`),
});
const MODES: Readonly<Record<EntryMode, true>> = { real: true, protected: true, long: true };

/** Types only: whether a size or an address suits the machine is told where it is used. */
const MACHINE_RULES: Readonly<Record<keyof MachineOptions, Rule>> = {
  image: FILE,
  form: oneOf(FORM_NAMES),
  initrd: FILE,
  modules: {
    wanted: 'an array of { file, commandLine }',
    holds: isArrayOfObjects,
  },
  commandLine: TEXT,
  memory: {
    wanted: 'a number of bytes or a string such as "256M"',
    holds: (value) => isString(value) || typeof value === 'number',
  },
  hugePages: oneOf(HUGE_PAGES),
  unpack: BOOLEAN,
  cpus: { wanted: `a whole number from 1 to ${MAX_CPUS}`, holds: isWhole(1, MAX_CPUS) },
  flat: oneOf(Object.keys(MODES)),
  loadAddress: {
    wanted: 'a whole number from 0 on',
    holds: isWhole(0, Number.MAX_SAFE_INTEGER),
  },
  firmware: FILE,
  timeoutS: { wanted: `a number of seconds from 0 to ${MAX_TIMEOUT_S}`, holds: isNumber(0, MAX_TIMEOUT_S) },
  reboot: BOOLEAN,
  paravirt: { wanted: 'an object', holds: isPlainObject },
  kvmPorts: { wanted: 'an array of { port, size, how }', holds: isArrayOfObjects },
  dirtyRing: {
    wanted: 'a power of two from 1024 to 65,536',
    holds: (value) => isWhole(1024, 0x10000)(value) && Number.isInteger(Math.log2(Number(value))),
  },
  timed: BOOLEAN,
  traceKvm: BOOLEAN,
  breakOn: { wanted: 'an array of strings', holds: (value) => Array.isArray(value) && value.every(isString) },
  threadsFile: TEXT,
  record: { wanted: 'an object', holds: isPlainObject },
  kvmPath: TEXT,
};
const KVM_PORT_RULES: Readonly<Record<keyof KvmPort, Rule>> = {
  port: { wanted: 'a port from 0 to 0xffff', holds: isWhole(0, 0xffff) },
  size: { wanted: '1, 2 or 4', holds: (value) => [1, 2, 4].some((size) => size === value) },
  how: oneOf(['coalesced', 'ioeventfd']),
};
const MODULE_RULES: Readonly<Record<keyof ModuleOptions, Rule>> = { file: FILE, name: TEXT, commandLine: TEXT };
const PARAVIRT_RULES: Readonly<Record<string, Rule>> = Object.fromEntries(
  pvFeatureNames.map((name) => [name, BOOLEAN]),
);

/**
 * Refuses what is no option, and what is no value of one, by name.
 * @throws VmError OPTION_INVALID
 */
export function checkOptions(options: unknown): asserts options is MachineOptions {
  if (!isPlainObject(options)) throw new VmError('OPTION_INVALID', 'the options of a machine must be an object');
  checkEach('', options, MACHINE_RULES, ['image']);
  const { modules = [], paravirt = {}, breakOn = [], kvmPorts = [] } = options as unknown as MachineOptions;
  modules.forEach((module, i) => {
    checkEach(`modules[${i}].`, module, MODULE_RULES, ['file']);
  });
  kvmPorts.forEach((port, i) => {
    checkEach(`kvmPorts[${i}].`, port, KVM_PORT_RULES, Object.keys(KVM_PORT_RULES));
  });
  checkEach('paravirt.', paravirt, PARAVIRT_RULES);
  checkBreaks(breakOn);
}

/** @param needed what may not be left out */
function checkEach(
  prefix: string,
  options: object,
  rules: Readonly<Record<string, Rule>>,
  needed: readonly string[] = [],
): void {
  const given = { ...Object.fromEntries(needed.map((name) => [name, undefined])), ...options };
  for (const [name, value] of Object.entries(given)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule === undefined) {
      const hint = `Known: ${Object.keys(rules).join(', ')}.`;
      throw new VmError('OPTION_INVALID', `there is no option ${prefix}${JSON.stringify(name).slice(1, -1)}`, { hint });
    }
    const mayBeAbsent = value === undefined && !needed.includes(name);
    if (!mayBeAbsent && !rule.holds(value)) throw refused(prefix + name, value, rule);
  }
}

function refused(name: string, value: unknown, { wanted }: Rule): VmError {
  return new VmError('OPTION_INVALID', `the option ${name} must be ${wanted}, not ${valueText(value)}`);
}

/** A value in a few words on one line. */
function valueText(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}

function isArrayOfObjects(value: unknown): boolean {
  return Array.isArray(value) && value.every(isPlainObject);
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}
