import type { Duplex } from 'node:stream';
import { VmError } from '../errors.js';

interface Answer {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

/** QEMU's monitor (docs/interop/qmp-spec): one JSON object a line; answers come in the order of the commands. */
export class Qmp {
  readonly #stream: Duplex;
  readonly #waiting: ((answer: Answer) => void)[] = [];
  #text = '';

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.setEncoding('utf8').on('data', (text: string) => this.#receive(text));
  }

  /** Runs a command; several may be under way. @throws VmError HOST_FAILED with QEMU's words. */
  async run(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.#stream.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    const answer = await new Promise<Answer>((resolve) => this.#waiting.push(resolve));
    if (answer.error) throw new VmError('HOST_FAILED', `QEMU: ${command}: ${answer.error.desc}`);
    return answer.return;
  }

  #receive(text: string): void {
    const lines = (this.#text + text).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      const answer = JSON.parse(line) as Answer;
      // The rest are the greeting and events.
      if ('return' in answer || 'error' in answer) this.#waiting.shift()?.(answer);
    }
  }
}
