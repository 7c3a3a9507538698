/**
 * `node v86-guest.js IMAGE COMMAND-LINE`: the benchmark's guest in v86, in a process of its own, which can be killed whatever
 * v86 does. The guest's serial port is standard output.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { V86 } from 'v86';

const MIB = 1 << 20;
const STDOUT = 1;

const [image = '', cmdline = ''] = process.argv.slice(2);

// v86 throws this where the guest writes to isa-debug-exit's port; it says so on standard output too.
process.once('uncaughtException', (error: unknown) => {
  if (error !== 'HALT') console.error(error);
  process.exit(error === 'HALT' ? 0 : 1);
});
console.log = () => {};

const emulator = new V86({
  wasm_fn: async (imports) => {
    const code = fs.readFileSync(createRequire(import.meta.url).resolve('v86/build/v86.wasm'));
    return new WebAssembly.Instance(new WebAssembly.Module(code), imports).exports;
  },
  multiboot: { buffer: Uint8Array.from(fs.readFileSync(image)).buffer },
  cmdline,
  memory_size: 16 * MIB,
  vga_memory_size: MIB,
  disable_keyboard: true,
  disable_mouse: true,
  disable_speaker: true,
  autostart: true,
});
// A byte is written whole: Node has left this end of the pipe as it was, and it blocks where it is full.
emulator.add_listener('serial0-output-byte', (byte) => void fs.writeSync(STDOUT, Uint8Array.of(byte)));
