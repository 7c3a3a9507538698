import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareHost } from '../../src/host/prepare.js';
import { demoGuest } from '../../src/setup/demo.js';
import { ensurePackages } from '../../src/setup/packages.js';
import { VGA_TEXT } from '../machine/kernels.js';
import { Run, run, screenText } from './command.js';
import { ROOT } from './host-support.js';

/** The text screen of a machine in a nested host: on a terminal, and where there is none. */
const PROMPT = '/root # ';
/** Minutes where the machine is busy: Linux boots with its log on the screen. */
const WAIT = { timeout: 10 * 60_000 };
const PNG_SIGNATURE = '\x89PNG\r\n\x1a\n';
const ALTERNATE_SCREEN = '\x1b[?1049h';
const NORMAL_SCREEN = '\x1b[?1049l';

let directory = '';
const file = (name: string) => path.join(directory, name);
const signatureOf = (name: string) => readFileSync(file(name)).toString('latin1', 0, PNG_SIGNATURE.length);

beforeAll(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-screen-'));
  await ensurePackages(['seabios'], () => {});
  await prepareHost('svm', () => {});
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('[svm] the text screen', () => {
  it('is printed at the end where there is no terminal, in plain text, and brought out as PNG', async () => {
    const image = path.join(ROOT, 'build/guest-images/vga-text.elf');
    const { status, stdout } = await run([image, '--host', 'svm', '--screen', '--screenshot', file('vga-text.png')]);
    const colours = [...'0123456789abcdef'].map((digit) => `this is colour ${digit}`);
    const screen = ['text mode: 80 columns, 25 lines', '', ...colours, '', '', '', '', '', '', ''];
    expect(stdout).toBe(`${VGA_TEXT.output}${screen.join('\n')}\n`);
    expect([status, signatureOf('vga-text.png')]).toEqual([VGA_TEXT.status, PNG_SIGNATURE]);
  });

  it("is Linux's by vgacon: a terminal shows its log and its shell, and types on its keyboard", WAIT, async () => {
    const { kernel, initrd, commandLine } = await demoGuest(() => {}, 'shell');
    const append = `${commandLine} loglevel=7 console=tty0`;
    const argv = [kernel, '--initrd', initrd, '--append', append, '--host', 'svm', '--screen'];
    using linux = new Run([...argv, '--screenshot', file('linux.png')], { stdin: 'pipe', terminal: '24x80' });
    await linux.hasShown('Run /init as init process');
    await linux.hasShown(PROMPT);
    linux.process.stdin?.write('echo "$((6 * 7)) <on> {The} keyboard"\r');
    await linux.hasShown('42 <on> {The} keyboard');
    linux.process.stdin?.write('dmesg | grep Console\r');
    await linux.hasShown('Console: colour VGA+ 80x25');
    linux.process.stdin?.write('poweroff -f\r');
    const { status, stdout } = await linux.ended();
    // All that is drawn is on the alternate screen; what is said of the end comes after it.
    const [before = '', drawn = '', ...more] = stdout.split(ALTERNATE_SCREEN);
    expect([before, drawn.length > 0, more]).toEqual([expect.not.stringContaining('\x1b'), true, []]);
    const [, after] = drawn.split(NORMAL_SCREEN);
    expect(screenText(after ?? '')).toBe('vmlaunch: the machine ended: power-off\r\n');
    expect([status, signatureOf('linux.png')]).toEqual([0, PNG_SIGNATURE]);
  });
});
