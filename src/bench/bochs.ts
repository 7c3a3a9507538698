import fs from 'node:fs';
import path from 'node:path';
import { writeRom } from './guest-image.js';
import type { Program } from './program-engine.js';

export interface BochsFiles {
  /** bochs-bin, and what Debian's has beside it in its environment. */
  readonly program: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Bochs does not start without one; nothing runs it. */
  readonly vgaBios: string;
  /** bench.img. */
  readonly image: string;
}

/**
 * The benchmark's guest in Bochs, in place of its BIOS. Time is a count of instructions there. With 2 million in a second,
 * a byte takes the UART 170 of them; with 1 million the devices' timers would cost the processor a tenth or more.
 * @param directory of this launch
 */
export function bochsProgram(
  { program, environment, vgaBios, image }: BochsFiles,
  commandLine: string,
  directory: string,
): Program {
  const file = (name: string): string => path.join(directory, name);
  const write = (name: string, contents: string | Uint8Array): string => {
    fs.writeFileSync(file(name), contents);
    return file(name);
  };
  const rom = writeRom(image, commandLine, directory);
  const console = write('console', '');
  const machine = write('machine', machineText(rom, vgaBios, console));
  // Debian's has its debugger built in, and would wait at its prompt.
  const commands = write('debugger', 'c\n');
  return {
    command: [program, '-q', '-f', machine, '-rc', commands],
    environment: { ...environment, TERM: 'xterm' },
    outputFile: console,
  };
}

const machineText = (rom: string, vgaBios: string, console: string): string => `\
plugin_ctrl: unmapped=1, biosdev=0, speaker=0, extfpuirq=0, parallel=0, serial=1, gameport=0, iodebug=0
config_interface: textconfig
display_library: term
memory: host=16, guest=16
romimage: file=${rom}
vgaromimage: file=${vgaBios}
vga: extension=none
pci: enabled=0
cpu: model=corei7_haswell_4770, ips=2000000
ata0: enabled=0
ata1: enabled=0
clock: sync=none, time0=946681200
com1: enabled=1, mode=file, dev=${console}
log: /dev/fd/2
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
`;
