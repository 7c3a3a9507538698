import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { benchCommandLine, benchDisk } from '../../src/bench/guest-disk.js';
import { parseBenchOutput } from '../../src/bench/guest-output.js';
import { WORKLOADS } from '../../src/bench/workloads.js';
import { ensurePackages, type Packages } from '../../src/setup/packages.js';

/** The benchmark's guest is for every engine: here on a PC whose BIOS, floppy drive and UART are not ours or QEMU's. */
const IMAGES = new URL('../../build/guest-images/', import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), 'vmlaunch-bochs-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const CONSOLE = join(scratch, 'console');

function machine(packages: Packages, disk: string): string {
  return `\
plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1, gameport=0, iodebug=0
config_interface: textconfig
display_library: term
memory: host=64, guest=64
romimage: file=${packages.path('/usr/share/bochs/BIOS-bochs-latest')}
vgaromimage: file=${packages.path('/usr/share/bochs/VGABIOS-lgpl-latest')}
vga: extension=none
cpu: model=corei7_haswell_4770, ips=100000000
ata0: enabled=0
ata1: enabled=0
floppya: 1_44=${disk}, status=inserted
boot: floppy
clock: sync=none, time0=946681200
com1: enabled=1, mode=file, dev=${CONSOLE}
log: ${join(scratch, 'log')}
panic: action=fatal
`;
}

/** Boots the disk until the guest has Bochs shut down, which it does by an error of its own. */
async function boot(disk: string): Promise<string> {
  const packages = await ensurePackages(['bochs', 'bochs-term', 'bochsbios', 'vgabios'], () => {});
  writeFileSync(join(scratch, 'machine'), machine(packages, disk));
  writeFileSync(join(scratch, 'debugger'), 'c\n'); // else its debugger waits at a prompt
  const args = ['-q', '-f', join(scratch, 'machine'), '-rc', join(scratch, 'debugger')];
  const env = { ...process.env, ...packages.environment, TERM: 'xterm' };
  const child = spawn(packages.path('/usr/bin/bochs-bin'), args, { env, stdio: 'ignore' });
  await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
  return readFileSync(CONSOLE, 'latin1');
}

it.each([
  { bits: 64, choice: {} },
  { bits: 32, choice: { bits: 32 } },
] as const)(
  '[bochs] bench runs every workload from its disk, in $bits-bit mode',
  { timeout: 120_000 },
  async ({ bits, choice }) => {
    const asked = WORKLOADS.map(({ name }) => ({ name, count: 100 }));
    const disk = join(scratch, 'bench.img');
    writeFileSync(disk, benchDisk(readFileSync(join(IMAGES, 'bench.img')), benchCommandLine(asked, choice)));
    const output = parseBenchOutput(await boot(disk), asked);
    expect(output.bits).toBe(bits);
    expect(asked.filter((_, i) => output.results[i]?.outcome !== 'ran').map(({ name }) => name)).toEqual([
      'exits.hypercall',
    ]);
  },
);
