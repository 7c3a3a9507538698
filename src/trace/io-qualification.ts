/**
 * What the hardware says of an I/O instruction that made a VM exit.
 * VT-x: SDM volume 3, table "Exit Qualification for I/O Instructions"; SVM: APM volume 2, 15.10.2, EXITINFO1.
 */
export interface IoQualification {
  readonly write: boolean;
  /** Bytes of an element. */
  readonly size: number;
  readonly string: boolean;
  readonly rep: boolean;
  readonly port: number;
  /** Where the instruction has the port; SVM does not say. */
  readonly operand?: 'dx' | 'immediate';
}

const bit = (value: bigint, at: number): boolean => ((value >> BigInt(at)) & 1n) === 1n;
const portOf = (value: bigint): number => Number((value >> 16n) & 0xffffn);

/** @param reason the kernel's name of the exit reason; undefined for any but that of I/O instructions */
export function ioQualification(reason: string, info: bigint): IoQualification | undefined {
  if (reason === 'IO_INSTRUCTION') return vmx(info);
  return reason === 'io' ? svm(info) : undefined;
}

function vmx(info: bigint): IoQualification {
  return {
    write: !bit(info, 3),
    size: Number(info & 7n) + 1,
    string: bit(info, 4),
    rep: bit(info, 5),
    port: portOf(info),
    operand: bit(info, 6) ? 'immediate' : 'dx',
  };
}

function svm(info: bigint): IoQualification {
  return {
    write: !bit(info, 0),
    size: bit(info, 6) ? 4 : bit(info, 5) ? 2 : 1,
    string: bit(info, 2),
    rep: bit(info, 3),
    port: portOf(info),
  };
}
