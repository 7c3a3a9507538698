/** What kind of fault it is; the command's exit status follows from it. */
export type VmErrorKind = 'input' | 'host' | 'kvm' | 'guest' | 'bug';

/** Stable codes: a program may compare them. */
export type VmErrorCode =
  | 'OPTION_INVALID'
  | 'FILE_UNREADABLE'
  | 'IMAGE_EMPTY'
  | 'IMAGE_INVALID'
  | 'IMAGE_UNSUPPORTED'
  | 'IMAGE_TOO_LARGE'
  | 'INITRD_TOO_LARGE'
  | 'MODULE_TOO_LARGE'
  | 'COMMAND_LINE_TOO_LONG'
  | 'FIRMWARE_INVALID'
  | 'RESULT_INVALID'
  | 'MEMORY_INVALID'
  | 'SLOT_INVALID'
  | 'GUEST_ADDRESS_INVALID'
  | 'STAMPS_INVALID'
  | 'BUS_OVERLAP'
  | 'KVM_ABSENT'
  | 'KVM_NOT_PERMITTED'
  | 'KVM_UNSUPPORTED'
  | 'KVM_CALL_FAILED'
  | 'KVM_TRACE_UNAVAILABLE'
  | 'KVM_INTERNAL_ERROR'
  | 'KVM_ENTRY_FAILED'
  | 'EXIT_UNHANDLED'
  | 'CLOSED'
  | 'STATE_INVALID'
  | 'HOST_NOT_READY'
  | 'HOST_FAILED'
  | 'SETUP_FAILED'
  | 'BUG';

const KIND: Record<VmErrorCode, VmErrorKind> = {
  OPTION_INVALID: 'input',
  FILE_UNREADABLE: 'input',
  IMAGE_EMPTY: 'input',
  IMAGE_INVALID: 'input',
  IMAGE_UNSUPPORTED: 'input',
  IMAGE_TOO_LARGE: 'input',
  INITRD_TOO_LARGE: 'input',
  MODULE_TOO_LARGE: 'input',
  COMMAND_LINE_TOO_LONG: 'input',
  FIRMWARE_INVALID: 'input',
  RESULT_INVALID: 'input',
  MEMORY_INVALID: 'input',
  SLOT_INVALID: 'input',
  GUEST_ADDRESS_INVALID: 'guest',
  STAMPS_INVALID: 'guest',
  BUS_OVERLAP: 'bug',
  KVM_ABSENT: 'host',
  KVM_NOT_PERMITTED: 'host',
  KVM_UNSUPPORTED: 'host',
  KVM_CALL_FAILED: 'kvm',
  KVM_TRACE_UNAVAILABLE: 'host',
  KVM_INTERNAL_ERROR: 'kvm',
  KVM_ENTRY_FAILED: 'kvm',
  EXIT_UNHANDLED: 'kvm',
  CLOSED: 'bug',
  STATE_INVALID: 'bug',
  HOST_NOT_READY: 'host',
  HOST_FAILED: 'host',
  SETUP_FAILED: 'host',
  BUG: 'bug',
};

/** A failure that a user can cause or meet: one clear line, and what to do about it. */
export class VmError extends Error {
  override readonly name = 'VmError';
  readonly code: VmErrorCode;
  /** What to do next, as a sentence; empty where there is nothing to do. */
  readonly hint: string;

  constructor(code: VmErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? '';
  }

  get kind(): VmErrorKind {
    return KIND[this.code];
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Anything that was thrown, as a VmError: BUG where it is none. */
export function asVmError(error: unknown): VmError {
  return error instanceof VmError ? error : new VmError('BUG', String(error), { cause: error });
}
