import type { EngineFigures } from './measure.js';

/** A level of virtualization, as one engine has it. */
export interface Level {
  readonly level: string;
  /** The engine's name. */
  readonly engine: string;
  /** What of a program is its own, and what it shares. */
  readonly isolates: string;
  /** What can be run there. */
  readonly runs: string;
}

/** From the level nearest to the program to that nearest to the processor; before them the program as it is. */
export const LEVELS = [
  {
    level: 'none',
    engine: 'native',
    isolates: 'nothing more than a process: its memory',
    runs: 'programs for this kernel and processor',
  },
  {
    level: 'application',
    engine: 'jvm',
    isolates: 'what the language lets a program touch; one process of this kernel',
    runs: 'bytecode of one virtual machine, on every system that has it',
  },
  {
    level: 'library',
    engine: 'wine',
    isolates: 'nothing: another interface, over the same kernel and files',
    runs: "another system's programs (Windows's), for this processor",
  },
  {
    level: 'operating system',
    engine: 'container',
    isolates: 'users, processes, files, network, IPC, host name: by the same kernel, which all share',
    runs: 'programs for this kernel and processor',
  },
  {
    level: 'hardware',
    engine: 'vmlaunch',
    isolates: 'a whole machine with a kernel of its own, by the processor',
    runs: 'any operating system for this processor',
  },
  {
    level: 'instruction',
    engine: 'qemu-user',
    isolates: 'nothing: system calls go to this kernel',
    runs: "this kernel's programs, for the emulated processor",
  },
  {
    level: 'instruction',
    engine: 'qemu-tcg',
    isolates: 'a whole machine with a kernel of its own, by software',
    runs: 'any operating system for the emulated processor',
  },
] as const satisfies readonly Level[];

export type LevelEngineName = (typeof LEVELS)[number]['engine'];

/** What `--json` writes. */
export interface LevelsResult {
  readonly schema: typeof LEVELS_SCHEMA;
  /** Of vmlaunch. */
  readonly version: string;
  readonly date: string;
  readonly host: {
    readonly kind: string;
    readonly flavour: string;
    readonly processor: string;
    readonly kernel: string;
  };
  readonly budgetS: number;
  readonly rounds: number;
  /** In the order of LEVELS. */
  readonly levels: readonly (Level & Omit<EngineFigures, 'name'>)[];
}

/** Of the JSON file's layout. */
export const LEVELS_SCHEMA = 1;
