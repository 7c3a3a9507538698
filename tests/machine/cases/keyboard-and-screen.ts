import assert from 'node:assert/strict';
import { Machine, VmError } from '../../../dist/index.js';
import { beyondPvm } from '../beyond-pvm.js';
import type { Case, CaseContext } from '../case.js';
import { KEYBOARD_ASKS, KEYBOARD_OUTPUT, KEYBOARD_STROKES, KEYBOARD_WAITS } from '../guests.js';
import { VGA_TEXT } from '../kernels.js';
import { REGISTERS_MEMORY_MIB, REGISTERS_OUTPUT } from '../registers.js';

const FLAT = { flat: 'protected', loadAddress: 0x100000, memory: '16M' } as const;

/** They print thousands of characters, each two exits. */
const TIMEOUT_S = 120;

const imageOf = ({ guestImages }: CaseContext, name: string): string => `${guestImages}/${name}`;

/** Collects a machine's output, and calls `onText` with all of it so far. */
function collect(machine: Machine, onText: (text: string) => void = () => {}): { text: string } {
  const collected = { text: '' };
  machine.output.on('data', (chunk: Buffer) => {
    collected.text += chunk.toString('latin1');
    onText(collected.text);
  });
  return collected;
}

async function outputEnded(machine: Machine): Promise<void> {
  if (!machine.output.readableEnded) await new Promise((resolve) => machine.output.once('end', resolve));
}

async function pressAll(machine: Machine): Promise<void> {
  for (const stroke of KEYBOARD_STROKES) await machine.keyboard.press(stroke);
}

export const cases: readonly Case[] = [
  {
    name: 'the guest keyboard gets every stroke, by asking and by interrupt, as it does in QEMU',
    timeoutS: TIMEOUT_S,
    async run(context) {
      await using machine = await Machine.create({ image: imageOf(context, 'keyboard.bin'), ...FLAT });
      const phases = [KEYBOARD_ASKS, KEYBOARD_WAITS];
      const pressed: Promise<void>[] = [];
      const output = collect(machine, (text) => {
        while (phases[0] !== undefined && text.includes(phases[0])) {
          phases.shift();
          pressed.push(pressAll(machine));
        }
      });
      machine.start();
      const end = await machine.ended;
      await Promise.all(pressed);
      await outputEnded(machine);
      if (context.module === 'kvm_pvm') {
        assert.equal(output.text, KEYBOARD_OUTPUT.slice(0, KEYBOARD_OUTPUT.indexOf('told')));
        return beyondPvm(end, 'iret');
      }
      assert.equal(output.text, KEYBOARD_OUTPUT);
      assert.deepEqual(end, { reason: 'debug-exit', status: 1 });
    },
  },
  {
    name: 'the guest registers reads what QEMU gives, but where a data sheet says otherwise',
    timeoutS: TIMEOUT_S,
    async run(context) {
      const image = imageOf(context, 'registers.bin');
      await using machine = await Machine.create({ image, ...FLAT, memory: `${REGISTERS_MEMORY_MIB}M` });
      const output = collect(machine);
      machine.start();
      const end = await machine.ended;
      await outputEnded(machine);
      assert.deepEqual(output.text.split('\n'), REGISTERS_OUTPUT.split('\n'));
      assert.deepEqual(end, { reason: 'debug-exit', status: 1 });
    },
  },
  {
    name: 'the kernel vga-text prints and ends as it does in QEMU, its text on the screen in 16 colours, the cursor below',
    async run(context) {
      await using machine = await Machine.create({ image: imageOf(context, 'vga-text.elf') });
      const output = collect(machine);
      machine.start();
      assert.deepEqual(await machine.ended, { reason: VGA_TEXT.end, status: VGA_TEXT.status });
      await outputEnded(machine);
      assert.equal(output.text, VGA_TEXT.output);
      const { rows, cursor, text } = machine.screen;
      assert.deepEqual(text.split('\n').slice(0, 3), ['text mode: 80 columns, 25 lines', '', 'this is colour 0']);
      for (let colour = 0; colour < 16; colour++) {
        const cell = { code: 0x74, character: 't', foreground: colour, background: 0, blink: false };
        assert.deepEqual(rows[colour + 2]?.[0], cell);
      }
      assert.deepEqual(cursor, { row: 18, column: 0, firstLine: 13, lastLine: 14 });
      await machine.close();
      assert.throws(
        () => machine.screen,
        (error) => error instanceof VmError && error.code === 'CLOSED',
      );
    },
  },
];
