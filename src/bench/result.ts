/** What a suite has measured, as it is written to a file and read back. */
import fs from 'node:fs';
import { z } from 'zod';
import { messageOf, VmError } from '../errors.js';

/** Of the file's layout: another one is not read. */
export const SCHEMA = 1;

const time = z.number().positive();
const interval = z.object({ low: time, high: time }).readonly();

const sample = z
  .object({
    /** Iterations, of which the times are an average. */
    count: z.int().positive(),
    /** An iteration by the host's clock, in the result's unit. */
    host: time,
    /** The same in ticks of the guest's TSC. */
    guestTicks: z.number().nonnegative(),
  })
  .readonly();

const cell = z
  .discriminatedUnion('outcome', [
    z.object({
      outcome: z.literal('measured'),
      /** Of an iteration, in the result's unit: the samples' median and its 95 % interval. */
      median: time,
      interval,
      samples: z.array(sample).min(1).readonly(),
    }),
    z.object({ outcome: z.enum(['missing', 'unsupported', 'failed', 'over budget']), why: z.string() }),
  ])
  .readonly();

const engine = z
  .object({
    name: z.string().min(1),
    version: z.string().nullable(),
    /** Ticks of the guest's TSC in one of the result's unit, and how far a workload's own are from it at most. */
    clock: z.object({ ticksPerUnit: z.number().nonnegative(), spread: z.number().nonnegative() }).readonly().nullable(),
    /** By the workload's name. */
    cells: z.record(z.string(), cell).readonly(),
    /** KVM's own, by the workload's name and the counter's, for an iteration: of `vmlaunch bench memory` alone. */
    counters: z.record(z.string(), z.record(z.string(), z.number()).readonly()).readonly().optional(),
  })
  .readonly();

const host = z
  .object({
    kind: z.enum(['local', 'svm', 'vtx']),
    /** The KVM module: kvm_intel, kvm_amd …; none, unknown. */
    flavour: z.string(),
    processor: z.string(),
    cpus: z.int().nonnegative(),
    kernel: z.string(),
    /** By the vulnerability's name, in the kernel's words. */
    mitigations: z.record(z.string(), z.string()).readonly(),
    /** Of the processor's frequency; null where the kernel has none. */
    governor: z.string().nullable(),
    /** Programs that wanted to run, over a minute: when the suite began and when it had ended. Null: not known. */
    load: z.object({ before: z.number().nullable(), after: z.number().nullable() }).readonly(),
  })
  .readonly();

const workload = z
  .object({
    name: z.string().min(1),
    kind: z.enum(['exits', 'processor', 'serial', 'memory', 'boot']),
    /** What its figure shows, in one line. */
    shows: z.string(),
  })
  .readonly();

const benchResult = z
  .object({
    schema: z.literal(SCHEMA),
    /** Of vmlaunch. */
    version: z.string(),
    /** When it began. */
    date: z.iso.datetime(),
    /** What was asked for by `--suite`. */
    suite: z.string(),
    host,
    /** Of all times: on the host vtx a clock counts instructions. */
    unit: z.enum(['ns', 'instructions']),
    /** Seconds that it might take, and that it took. */
    budgetS: z.number().nonnegative(),
    elapsedS: z.number().nonnegative(),
    rounds: z.int().nonnegative(),
    workloads: z.array(workload).readonly(),
    engines: z.array(engine).readonly(),
  })
  .readonly();

export type BenchResult = z.infer<typeof benchResult>;
export type BenchHost = BenchResult['host'];
export type BenchUnit = BenchResult['unit'];
export type BenchEngine = BenchResult['engines'][number];
export type BenchWorkload = BenchResult['workloads'][number];
export type BenchKind = BenchWorkload['kind'];
export type BenchCell = BenchEngine['cells'][string];
export type MeasuredCell = Extract<BenchCell, { outcome: 'measured' }>;

/** Reads what `--json` has written. @throws VmError FILE_UNREADABLE, RESULT_INVALID */
export function readBenchResult(file: string): BenchResult {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new VmError('FILE_UNREADABLE', `${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  return parseBenchResult(text, file);
}

const schemaOnly = z.object({ schema: z.unknown() });

/** @param name what messages call it @throws VmError RESULT_INVALID */
export function parseBenchResult(text: string, name: string): BenchResult {
  const value = jsonOf(text);
  const { data } = schemaOnly.safeParse(value);
  if (data === undefined || data.schema === undefined) {
    throw new VmError('RESULT_INVALID', `${name} is no result of vmlaunch bench`, {
      hint: 'Such a file is written by: vmlaunch bench --json <file>',
    });
  }
  if (data.schema !== SCHEMA) {
    const found = JSON.stringify(data.schema);
    throw new VmError('RESULT_INVALID', `${name} has schema version ${found}; this vmlaunch reads ${SCHEMA}`, {
      hint: 'Measure again, or use the vmlaunch that wrote it.',
    });
  }
  const parsed = benchResult.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`;
  throw new VmError('RESULT_INVALID', `${name} is no sound result${place}: ${issue?.message ?? 'unknown'}`);
}

/** Undefined where it is no JSON: no result is that. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
