import type { Engine, Launch, Start } from '../../../src/bench/engine.js';
import { type Workload, workloadNamed } from '../../../src/bench/workloads.js';

export function workload(name: string): Workload {
  const found = workloadNamed(name);
  if (found === undefined) throw new Error(`no workload ${name}`);
  return found;
}

export const TICKS_PER_NS = 2;

/** Time that passes only where something takes it. */
export class FakeTime {
  ns = 0;
  readonly now = (): number => this.ns;
}

export interface FakeOptions {
  /** Of an iteration, by workload. */
  readonly ns: Readonly<Record<string, number>>;
  readonly startNs?: number;
  /** Fewer iterations than this take so many times as long; with `warmUp` its iterations count too. */
  readonly cold?: { readonly below: number; readonly factor: number; readonly warmUp?: boolean };
  /** What it prints in place of a workload's result; it ends there with a failure where that is undefined. */
  readonly instead?: (name: string, launches: number) => string | 'crash' | 'hang' | undefined;
  readonly missing?: string;
  /** What Linux takes there; it hangs where that is undefined, and is refused where it is a text. */
  readonly linux?: number | string;
}

/** An engine that prints what the guest prints, and takes the time that it is told. */
export class FakeEngine implements Engine {
  launches = 0;
  readonly commandLines: string[] = [];

  constructor(
    readonly name: string,
    private readonly time: FakeTime,
    private readonly options: FakeOptions,
  ) {}

  probe(): Promise<{ version: string } | { missing: string }> {
    const { missing } = this.options;
    return Promise.resolve(missing === undefined ? { version: '1.0' } : { missing });
  }

  refusalOf({ guest }: Start): string | undefined {
    return guest === 'linux' && typeof this.options.linux === 'string' ? this.options.linux : undefined;
  }

  async launch(start: Start, signal: AbortSignal): Promise<Launch> {
    const commandLine = start.guest === 'bench' ? start.commandLine : start.guest;
    this.launches++;
    this.commandLines.push(commandLine);
    const { ns, startNs = 1e6, cold, instead, linux } = this.options;
    const beginNs = this.time.ns;
    const ends: number[] = [];
    const timesNs: number[] = [];
    let text = '';
    const print = (line: string): void => {
      text += `${line}\n`;
      ends.push(text.length);
      timesNs.push(this.time.ns - beginNs);
    };
    const done = (failure?: string): Launch => ({ text, ends, timesNs, failure });
    const hang = async (): Promise<Launch> => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      return done('was ended');
    };
    if (start.guest === 'linux') {
      if (typeof linux !== 'number') return hang();
      this.time.ns += linux;
      print('init');
      print('end');
      return done();
    }
    this.time.ns += startNs;
    print('\nboot\n');
    print('bench 1 FakeCpu bits=64');
    for (const word of start.guest === 'hello' ? [] : start.commandLine.split(' ')) {
      const [name = '', numbers = ''] = word.split('=');
      const [count = '', warmUp = '0'] = numbers.split('/');
      const other = instead?.(name, this.launches);
      if (other === 'crash') return done('ended with status 139');
      print(`begin ${name} ${count}`);
      if (other === 'hang') return hang();
      const ran = Number(count) + (cold?.warmUp ? Number(warmUp) : 0);
      const slower = cold !== undefined && ran < cold.below ? cold.factor : 1;
      const took = (ns[name] ?? 1) * Number(count) * slower;
      this.time.ns += took;
      if (other === undefined) {
        const checksum = workload(name).checksum(Number(count)).toString(16).padStart(8, '0');
        print(`${name} ${count} ${checksum} ${Math.round(took * TICKS_PER_NS)}`);
      } else print(other);
    }
    print('end');
    return done();
  }
}
