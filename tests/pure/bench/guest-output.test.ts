import { describe, expect, it } from 'vitest';
import { benchCommandLine, withCommandLine } from '../../../src/bench/guest-image.js';
import { parseBenchOutput, type WorkloadResult } from '../../../src/bench/guest-output.js';
import { serialBytes, workloadNamed } from '../../../src/bench/workloads.js';

const ASKED = [
  { name: 'exits.out', count: 20 },
  { name: 'exits.hypercall', count: 5 },
  { name: 'cpu.integer', count: 7 },
  { name: 'exits.out', count: 40 },
] as const;

const FIRMWARE = '\x1bc\x1b[?7lSeaBIOS (version 1.16.2)\r\nBooting from Floppy...\r\n\nboot\n';
const HEADER = 'bench 1 AuthenticAMD bits=32\n';

function sum(name: string, count: number): string {
  return (workloadNamed(name)?.checksum(count) ?? 0).toString(16).padStart(8, '0');
}
const lines = (name: string, count: number, ticks = 99) =>
  `begin ${name} ${count}\n${name} ${count} ${sum(name, count)} ${ticks}\n`;
const REFUSED = 'exits.hypercall unsupported there is no KVM\n';
const GOOD = `${FIRMWARE}${HEADER}${lines('exits.out', 20)}${REFUSED}${lines('cpu.integer', 7)}${lines('exits.out', 40)}end\n`;

/** A result in a few words. */
const words = (result: WorkloadResult) =>
  result.outcome === 'ran' ? `ran ${result.ticks}` : `${result.outcome}: ${result.why}`;
const wordsOf = (text: string, asked: Parameters<typeof parseBenchOutput>[1] = ASKED) =>
  parseBenchOutput(text, asked).results.map(words);

describe('the output of the guest', () => {
  it('is read with the places of its marks', () => {
    const { results, ...rest } = parseBenchOutput(GOOD, ASKED);
    expect(results.map(words)).toEqual(['ran 99', 'unsupported: there is no KVM', 'ran 99', 'ran 99']);
    expect(rest).toEqual({
      where: 'AuthenticAMD',
      bits: 32,
      bootAt: FIRMWARE.length - 'boot\n'.length,
      startAt: FIRMWARE.length,
      endAt: GOOD.length,
    });
    const [first] = results;
    if (first?.outcome !== 'ran') throw new Error('it did not run');
    expect(GOOD.slice(first.beginAt, first.beginAt + 12)).toBe('exits.out 20');
    expect(first.endAt).toBe(first.beginAt);
  });

  it('may have ends of line of a terminal', () => {
    expect(wordsOf(GOOD.replaceAll('\n', '\r\n'))).toEqual(wordsOf(GOOD));
  });

  it.each([
    ['', 'the guest printed nothing'],
    [' \n\n', 'the guest printed nothing'],
    ['\nboot\nthe disk cannot be read\n', 'the guest did not start; the last line: the disk cannot be read'],
    ['\x00\xff\x1b[31mwrong', 'the guest did not start; the last line: ?[31mwrong…'],
    [`${'x'.repeat(1e6)}\n`, `the guest did not start; the last line: ${'x'.repeat(120)}…`],
    ['bench 2 GenuineIntel bits=64\nend\n', "the guest's lines are of version 2"],
  ])('gives every workload a reason where there is none: %j', (text, why) => {
    expect(wordsOf(text)).toEqual(ASKED.map(() => `failed: ${why}`));
  });

  const one = [{ name: 'cpu.integer', count: 7 }];
  it.each([
    ['begin cpu.integer 7\n', 'it began, and did not end'],
    ['begin cpu.integer 7\ncpu.integer 7 0bad', 'its result is no result: cpu.integer 7 0bad…'],
    ['begin cpu.integer 7\ncpu.integer 8 00000000 5\nend\n', 'its result is no result: cpu.integer 8 00000000 5'],
    ['begin cpu.integer 8\nend\n', 'the guest passed over it'],
    ['end\n', 'the guest passed over it'],
    ['', 'the guest did not come to it'],
    [HEADER, 'the guest started again before it'],
    [
      'begin cpu.integer 7\nexception 13, general protection\n',
      'its result is no result: exception 13, general protection',
    ],
    [
      'begin cpu.integer 7\ncpu.integer 7 0badbad0 5\nend\n',
      `its checksum is 0badbad0, and that of 7 iterations is ${sum('cpu.integer', 7)}`,
    ],
    [lines('cpu.integer', 7, 2 ** 60), 'its time stamp counter went back'],
  ])('tells what is wrong: %j', (text, why) => {
    expect(wordsOf(HEADER + text, one)).toEqual([`failed: ${why}`]);
  });

  it('goes on behind what it does not know', () => {
    const text = `${HEADER}rubbish\nbegin none 5\n${lines('exits.out', 20)}\x07begin\n${lines('cpu.integer', 7)}end\n`;
    expect(wordsOf(text)).toEqual([
      'ran 99',
      'failed: the guest passed over it',
      'ran 99',
      'failed: the guest passed over it',
    ]);
  });

  it('takes no result twice', () => {
    const twice = `${HEADER}${lines('cpu.integer', 7)}${lines('cpu.integer', 7, 1)}end\n`;
    expect(wordsOf(twice, one)).toEqual(['ran 99']);
  });

  it('holds the serial console to what was sent', () => {
    const asked = [{ name: 'serial.bytes', count: 100 }];
    const text = `${HEADER}begin serial.bytes 100\n${serialBytes(100)}serial.bytes 100 ${sum('serial.bytes', 100)} 7\nend\n`;
    expect(wordsOf(text, asked)).toEqual(['ran 7']);
    expect(wordsOf(text.replace('abc', 'ac'), asked)).toEqual([
      'failed: its bytes did not all arrive as they were sent',
    ]);
  });

  it('may be cut anywhere', () => {
    for (let length = 0; length < GOOD.length; length++) {
      const results = wordsOf(GOOD.slice(0, length));
      expect(results).toHaveLength(ASKED.length);
      expect(results.at(-1)).toMatch(length > GOOD.length - 5 ? /^ran 99$/ : /^failed: /);
    }
  });
});

describe('the image', () => {
  const image = new Uint8Array(65536);
  new DataView(image.buffer).setUint32(4, 0x1badb002, true);

  it('gets the command line, and nothing is left of another', () => {
    const copy = withCommandLine(withCommandLine(image, 'x'.repeat(3071)), benchCommandLine(ASKED, { bits: 32 }));
    const text = 'bits=32 exits.out=20 exits.hypercall=5 cpu.integer=7 exits.out=40';
    expect(Buffer.from(copy.subarray(512, 512 + text.length)).toString()).toBe(text);
    expect(copy.subarray(512 + text.length).every((byte) => byte === 0)).toBe(true);
  });

  it.each(['x'.repeat(3072), 'a\nb', 'ü'])('refuses a command line that it cannot hold', (text) => {
    expect(() => withCommandLine(image, text)).toThrow("the benchmark's command line is not 3071 letters or fewer");
  });

  it('refuses another image', () => {
    expect(() => withCommandLine(new Uint8Array(4096), '')).toThrow("this is not the benchmark's image");
  });
});
