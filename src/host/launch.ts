import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { HostKind } from './kind.js';

/** The programs of a nested host, wherever they are installed. */
export interface EmulatorFiles {
  readonly program: string;
  /** qboot.rom, or Bochs' BIOS. */
  readonly firmware: string;
  /** Bochs only: the VGA BIOS, without which its BIOS runs no option ROM. */
  readonly vgaFirmware?: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** What a host boots from, made once for both kinds (parts.ts). */
export interface BootFiles {
  readonly kernel: string;
  readonly initramfs: string;
  /** bochs-loader.S, assembled. */
  readonly loader: string;
  /** bochs-shim.c, compiled. */
  readonly shim: string;
}

/**
 * cold: boots, to be used and thrown away. save: boots, and is going to be saved into `directory`. restore: goes on
 * from the snapshot in `directory`. resave: the same, and is going to be saved into `into`, which already holds a
 * copy of the snapshot's memory.
 */
export type StartMode =
  | { readonly mode: 'cold' }
  | { readonly mode: 'save'; readonly directory: string }
  | { readonly mode: 'restore'; readonly directory: string }
  | { readonly mode: 'resave'; readonly directory: string; readonly into: string };

export interface LaunchOptions {
  readonly kind: HostKind;
  readonly emulator: EmulatorFiles;
  readonly boot: BootFiles;
  readonly start: StartMode;
  readonly memoryMib: number;
  readonly cpus: number;
  /** Kills the emulator where it is aborted. */
  readonly abort: AbortSignal | undefined;
}

/** How to start an emulator: what spawn() needs. Descriptors 3, 4 and 5 are always the same. */
export interface Launch {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly directory?: string;
  /** Open files that the emulator inherits from FIRST_FILE_FD on; closed here once it runs. */
  readonly files: readonly number[];
}

/** The kernel's console: a file, since an emulator opens it by name. */
export const CONSOLE_FD = 3;
export const CHANNEL_FD = 4;
export const QMP_FD = 5;
export const FIRST_FILE_FD = 6;

/** Names in a snapshot's directory. */
export const MEMORY_FILE = 'memory';
export const STATE_FILE = 'state';

/** An open file without a name: nothing is left of it, in whatever way its users end. */
export function namelessFile(contents: string | Uint8Array = ''): number {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-'));
  try {
    const fd = fs.openSync(path.join(directory, 'file'), 'a+');
    fs.writeSync(fd, typeof contents === 'string' ? Buffer.from(contents) : contents);
    return fd;
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}
