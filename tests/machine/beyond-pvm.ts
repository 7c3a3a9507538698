import assert from 'node:assert/strict';
import type { MachineEnd } from '../../dist/index.js';

/** A guest ended on kvm_pvm, which emulates ring 0, at an instruction that it does not know. */
export function beyondPvm(end: MachineEnd, instruction: string): void {
  assert.equal(end.reason, 'error');
  assert.ok(end.error.message.includes(`(${instruction})`), end.error.message);
  assert.match(end.error.hint ?? '', /^kvm_pvm cannot emulate this instruction; .*--host svm/);
}
