import { PassThrough, pipeline, type Readable, type Writable } from 'node:stream';
import type { Machine } from '../machine/machine.js';
import { KeyInput, sizeReport } from './key-input.js';
import { LiveScreen, type Picture, screenPicture } from './live-screen.js';
import { AlternateScreen, EscapeFilter, isTerminal, type TerminalSize, terminalSize } from './terminal.js';

/** What a person or a program sees of a machine. */
export interface Front extends Disposable {
  /** The machine has ended and its output is out: shows what is left to show, and gives the terminal back. */
  finish(): void;
}

/** Connects standard input and output to the serial console: both are bytes. */
function serialFront(machine: Machine): Front {
  machine.output.pipe(process.stdout, { end: false });
  connectInput(machine, machine.input);
  return { finish: () => {}, [Symbol.dispose]: () => {} };
}

/** The text screen where that is asked for, else the serial console. */
export const frontOf = (machine: Machine, { screen }: { readonly screen?: boolean }): Front =>
  screen === true ? screenFront(machine) : serialFront(machine);

/**
 * Connects standard input to the keyboard and a terminal to the text screen. Where there is no terminal, standard
 * output is the serial console's, and at the end the screen's text.
 */
function screenFront(machine: Machine): Front {
  const size = terminalSize();
  if (size === undefined) return plainFront(machine);
  machine.output.resume();
  const picture = screenPicture(() => machine.screen);
  return drawnFront(machine, size, picture, (resized) => new KeyInput(machine.keyboard, resized));
}

function plainFront(machine: Machine): Front {
  machine.output.pipe(process.stdout, { end: false });
  connectInput(machine, new KeyInput(machine.keyboard, () => {}));
  return { finish: () => void process.stdout.write(machine.screen.text), [Symbol.dispose]: () => {} };
}

/**
 * Draws on the terminal, and takes what is typed.
 * @param input makes what takes it, and tells of a new size that comes among it
 */
export function drawnFront(
  machine: Machine,
  size: TerminalSize,
  picture: Picture,
  input: (resized: (to: TerminalSize) => void) => Writable,
): Front {
  const alternate = new AlternateScreen();
  // In a nested host the terminal is outside, and so is who switches its screens.
  const terminal = process.stdout.isTTY ? alternate.stdout : process.stdout;
  const live = new LiveScreen(picture, terminal, size);
  const resized = (to: TerminalSize | undefined) => to && live.resize(to);
  const onResize = () => resized(terminalSize());
  process.stdout.on('resize', onResize);
  connectInput(machine, input(resized), (help) => live.say(help));
  const end = (): void => {
    process.stdout.off('resize', onResize);
    live[Symbol.dispose]();
    alternate[Symbol.dispose]();
  };
  return { finish: end, [Symbol.dispose]: end };
}

function connectInput(machine: Machine, to: Writable, say?: (help: string) => void): void {
  const ended = () => {}; // an input that ends or breaks is no more than that to the guest
  if (isTerminal()) pipeline(process.stdin, new EscapeFilter(() => void machine.stop(), say), to, ended);
  else pipeline(process.stdin, to, ended);
}

/** Standard input, and where it is a terminal, in between the size of the terminal as that changes. */
export function inputWithSizes(): Readable {
  const { stdin, stdout } = process;
  if (!stdin.isTTY) return stdin;
  const both = new PassThrough();
  stdout.on('resize', () => {
    const size = terminalSize();
    if (size !== undefined && both.writable) both.write(sizeReport(size));
  });
  return stdin.pipe(both);
}
