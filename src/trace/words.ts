import type { Access, ExitEvent } from './model.js';
import type { Mode } from './segments.js';

/** The modes in the SDM's words, and who it is that runs there. */
export const MODE_WORDS: Readonly<Record<Mode, string>> = {
  nonRoot: 'non-root operation (guest)',
  rootRing0: 'root operation, ring 0 (kernel, KVM)',
  inside: 'inside KVM_RUN (non-root and kernel)',
  rootRing3: 'root operation, ring 3 (vmlaunch)',
};

/** "0x3f8". */
export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** "write 0x3f8 (uart)"; "read 0xfee00000". */
export function accessWords({ write, address, device }: Pick<Access, 'write' | 'address' | 'device'>): string {
  return `${write ? 'write' : 'read'} ${hex(address)}${device === undefined ? '' : ` (${device})`}`;
}

/** "IO write 0x3f8 (uart)", "HLT". */
export function exitWords({ reason, access, detail }: Pick<ExitEvent, 'reason' | 'access' | 'detail'>): string {
  if (access !== undefined) return `${reason} ${accessWords(access)}`;
  return detail === undefined ? reason : `${reason} ${detail}`;
}
