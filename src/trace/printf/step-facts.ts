import { duration } from '../html/format.js';
import type { PrintfStep } from './result.js';
import type { Words } from './words.js';

export interface StepFact {
  readonly name: string;
  readonly value: string;
  readonly isCode?: boolean;
}

/** What is known of a step, in rows. @param flavour says what the hardware's words are called */
export function stepFacts(step: PrintfStep, flavour: string, words: Words): StepFact[] {
  const { mode, ns, startNs, summed, source, rip, disassembly, registers } = step;
  const { facts } = words.page;
  const { name, who } = words.modes[mode];
  const code = (title: string, value: string | undefined): StepFact[] =>
    value === undefined ? [] : [{ name: title, value, isCode: true }];
  const values = registers && Object.entries(registers).map(([register, value]) => `${register} = ${value}`);
  return [
    { name: words.page.mode, value: `${name}${words.colon}${who}` },
    { name: facts.duration, value: duration(ns) },
    ...(summed === undefined ? [{ name: facts.start, value: duration(startNs) }] : []),
    ...(summed === undefined ? [] : [{ name: facts.times, value: String(summed) }]),
    ...code(facts.source, source && `${source.file}:${source.line}`),
    ...code(facts.line, source?.text),
    ...code('rip', rip),
    ...code(facts.instruction, disassembly),
    ...code(facts.registers, values?.join(words.comma)),
    ...exitFacts(step, flavour, words),
  ];
}

function exitFacts({ exit }: PrintfStep, flavour: string, words: Words): StepFact[] {
  if (exit === undefined) return [];
  const { facts } = words.page;
  const { reason, info1, info2, io } = exit;
  const isVmx = flavour === 'kvm_intel';
  const decoded =
    io === undefined
      ? []
      : [
          { name: facts.direction, value: io.write ? 'OUT' : 'IN' },
          { name: facts.size, value: facts.bytes(io.size) },
          { name: facts.string, value: io.string ? words.page.yes : words.page.no },
          { name: 'REP', value: io.rep ? words.page.yes : words.page.no },
          ...(io.operand === undefined
            ? []
            : [{ name: facts.operand, value: io.operand === 'dx' ? 'DX' : facts.immediate }]),
          { name: facts.port, value: `0x${io.port.toString(16)}`, isCode: true },
          { name: facts.decodedBy, value: isVmx ? facts.sdm : facts.apm },
        ];
  return [
    { name: facts.reason, value: reason, isCode: true },
    { name: isVmx ? facts.qualification : 'EXITINFO1', value: info1, isCode: true },
    ...decoded,
    { name: isVmx ? facts.vectoring : 'EXITINFO2', value: info2, isCode: true },
  ];
}
