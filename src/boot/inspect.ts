/** What an image is and what would become of it, as data: for people who wonder, and for programs. */
import { VmError } from '../errors.js';
import { memoryOf } from './check-plan.js';
import { firmwareSegments } from './firmware.js';
import { isGzip } from './gzip.js';
import { type BootOptions, formsOf, formTaken, planBoot, unpacked } from './load.js';
import type { BootPlan, Entry, FormName } from './plan.js';

export interface InspectedSegment {
  readonly what: string;
  /** Guest-physical address. */
  readonly address: number;
  /** Bytes that are copied there. */
  readonly bytes: number;
  /** Bytes of memory that it takes. */
  readonly memoryBytes: number;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** How the image would start in one form, or why it would not. */
export type Way =
  | {
      readonly form: FormName;
      readonly description: string;
      readonly isLinux: boolean;
      /** In the order of their addresses. */
      readonly segments: readonly InspectedSegment[];
      readonly entry: Entry;
    }
  | { readonly form: FormName; readonly refusal: Refusal };

export interface Inspection {
  /** Bytes of the file. */
  readonly bytes: number;
  /** Bytes without the gzip around it; absent where there is none. */
  readonly unpackedBytes?: number;
  /** The forms that the image has; the first is taken, unless the options name another. */
  readonly forms: readonly FormName[];
  /** What becomes of it in the form that is taken. */
  readonly taken: Way;
  /** And in the other forms that it has, were they asked for. */
  readonly others: readonly Way[];
}

/** Looks at an image as `planBoot` does. @throws VmError where it cannot even be unpacked, or is empty */
export function inspectImage(file: Uint8Array, options: BootOptions): Inspection {
  if (file.length === 0) throw new VmError('IMAGE_EMPTY', 'the image is empty', { hint: 'Check how it was built.' });
  const image = unpacked(file, options.ramBytes);
  const forms = formsOf(image);
  const form = formTaken(image, options);
  return {
    bytes: file.length,
    ...(isGzip(file) ? { unpackedBytes: image.length } : {}),
    forms,
    taken: wayOf(image, form, options),
    others: forms
      .filter((name) => name !== form)
      .map((name) => wayOf(image, name, { ...options, form: name, flat: undefined })),
  };
}

function wayOf(image: Uint8Array, form: FormName, options: BootOptions): Way {
  try {
    return { form, ...summaryOf(planBoot(image, options)) };
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    const { code, message, hint } = error;
    return { form, refusal: { code, message, hint } };
  }
}

function summaryOf({ description, isLinux, segments, entry, firmware }: BootPlan) {
  const all = firmware === undefined ? segments : [...segments, ...firmwareSegments(firmware)];
  const inspected = all.map((segment) => ({
    what: segment.what,
    address: segment.address,
    bytes: segment.bytes.length,
    memoryBytes: memoryOf(segment),
  }));
  return { description, isLinux, segments: inspected.sort((a, b) => a.address - b.address), entry };
}
