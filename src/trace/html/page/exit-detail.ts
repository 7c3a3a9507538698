import type { Access, ExitEvent } from '../../model.js';
import { addTimes, type Mode, type ModeSums, segmentsOf } from '../../segments.js';
import { hex, MODE_WORDS } from '../../words.js';
import { duration, grouped, moment } from '../format.js';
import type { ReportWords } from '../page-data.js';
import type { Detail, DetailGroup, DetailRow } from './detail.js';
import { type ExitLane, type SliceOrigin, sliceWords } from './exit-lanes.js';

/** What a hardware exit's words are called, by KVM flavour (SDM volume 3, 28.2; AMD's APM volume 2, 15.6 and 15.7). */
const INFO_NAMES: Readonly<Record<string, readonly [info1: string, info2: string]>> = {
  kvm_intel: ['exit qualification', 'IDT-vectoring info'],
  kvm_amd: ['EXITINFO1', 'EXITINFO2'],
};

export function exitDetail(lane: ExitLane, slice: number, words: ReportWords): Detail {
  const origin = lane.origin(slice);
  const [from, to] = [lane.slices.start(slice), lane.slices.end(slice)];
  return {
    title: titleOf(lane.mode, origin),
    where: `${lane.group}, ${MODE_WORDS[lane.mode]}: ${duration(to - from)}, from ${moment(from)} to ${moment(to)}`,
    groups: [...hardwareGroups(origin, words), ...exitGroups(origin, words)],
  };
}

function titleOf(mode: Mode, origin: SliceOrigin): string {
  const { hardware } = origin;
  if (mode === 'rootRing3' || hardware === undefined) return capital(sliceWords(mode, origin));
  return mode === 'rootRing0' ? `KVM, after VM exit ${hardware.reason}` : `Until VM exit ${hardware.reason}`;
}

const capital = (words: string): string => words.slice(0, 1).toUpperCase() + words.slice(1);

function hardwareGroups({ exit, hardware, led }: SliceOrigin, words: ReportWords): DetailGroup[] {
  if (hardware === undefined) return [];
  const [info1, info2] = INFO_NAMES[words.flavour] ?? ['info1', 'info2'];
  const { reason, injected, interruptInfo, enteredNs } = hardware;
  const rows: DetailRow[] = [
    { name: 'reason', value: reason },
    { name: 'it led to', value: led && exit !== undefined ? `a return with ${exit.reason}` : 'no return: KVM kept it' },
    { name: info1, value: hex(hardware.info1), isCode: true },
    { name: info2, value: hex(hardware.info2), isCode: true },
    ...(interruptInfo === 0 ? [] : [{ name: 'interruption info', value: hex(interruptInfo), isCode: true }]),
    ...ripRows('rip', hardware.rip, words),
    { name: 'VM entry', value: enteredNs === undefined ? 'not recorded' : moment(enteredNs) },
    ...(injected.length === 0 ? [] : [{ name: 'injected at it', value: `vector ${injected.map(hex).join(', ')}` }]),
    { name: 'VM exit', value: moment(hardware.exitedNs) },
  ];
  return [{ title: 'VM exit, as the hardware told it', rows }];
}

function exitGroups({ exit, hardware, led }: SliceOrigin, words: ReportWords): DetailGroup[] {
  if (exit === undefined) return [];
  const { number, reason, detail, continued, access, rip, ripIs, bits, cpl } = exit;
  const rows: DetailRow[] = [
    { name: 'reason', value: reason },
    { name: 'number', value: `${grouped(number)}, of its vCPU from 0` },
    ...(detail === undefined ? [] : [{ name: 'more', value: detail }]),
    ...(continued ? [{ name: 'continued', value: 'a further return for the same VM exit' }] : []),
    ...(access === undefined ? [] : accessRows(access)),
    ...ripRows(ripIs === 'exact' ? 'rip' : 'rip, moved on', rip, words),
    { name: 'guest', value: `${bits}-bit code, ring ${cpl}` },
  ];
  return [
    { title: led || hardware === undefined ? 'Return of KVM_RUN' : 'The next return of KVM_RUN', rows },
    { title: 'Times until it was handled', rows: timeRows(exit) },
  ];
}

function accessRows({ bus, write, address, size, count, value, device }: Access): DetailRow[] {
  const elements = count === 1 ? '' : `, ${grouped(count)} times`;
  return [
    { name: 'access', value: `${write ? 'write' : 'read'} of ${size} ${size === 1 ? 'byte' : 'bytes'}${elements}` },
    { name: bus === 'pio' ? 'port' : 'address', value: hex(address), isCode: true },
    { name: 'value', value: `${hex(value)}${count > 1 ? ' (the first)' : ''}`, isCode: true },
    { name: 'device', value: device ?? 'nobody claims it' },
  ];
}

function ripRows(name: string, rip: bigint, { instructions }: ReportWords): DetailRow[] {
  const key = hex(rip);
  const { symbol, text } = Object.hasOwn(instructions, key) ? (instructions[key] ?? {}) : {};
  return [
    { name, value: key, isCode: true },
    ...(symbol === undefined ? [] : [{ name: 'symbol', value: symbol, isCode: true }]),
    ...(text === undefined ? [] : [{ name: 'instruction', value: text, isCode: true }]),
  ];
}

/** Modes, in a name's width. */
const SHORT: Readonly<Record<Mode, string>> = {
  nonRoot: 'non-root',
  inside: 'in KVM_RUN',
  rootRing0: 'root, ring 0',
  rootRing3: 'root, ring 3',
};

function timeRows(exit: ExitEvent): DetailRow[] {
  const times: ModeSums = {};
  addTimes(times, segmentsOf(exit));
  const sums = (Object.keys(SHORT) as Mode[]).flatMap((mode) => {
    const ns = times[mode];
    return ns === undefined ? [] : [{ name: SHORT[mode], value: duration(ns) }];
  });
  return [
    { name: 'KVM_RUN called', value: moment(exit.enteredNs) },
    { name: 'it returned', value: moment(exit.returnedNs) },
    { name: 'handled', value: moment(exit.handledNs) },
    ...sums,
  ];
}
