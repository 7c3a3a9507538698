import { Command, CommanderError, Option } from 'commander';
import { SUITES } from '../bench/suites.js';
import { FORM_NAMES } from '../boot/plan.js';
import { VmError } from '../errors.js';
import { exitStatusOfError } from '../machine/end.js';
import { prepareThread } from '../machine/threads.js';
import { HUGE_PAGES } from '../memory/huge-pages.js';
import type { BenchExitOptions } from './bench.js';
import type { MeasureOptions } from './bench-here.js';
import type { BenchLevelsOptions } from './bench-levels.js';
import type { BenchMemoryOptions } from './bench-memory.js';
import type { BenchSuiteOptions } from './bench-suite.js';
import { HOSTS, isSurelyLocal } from './choose-host.js';
import type { ExitsOptions } from './exits.js';
import type { InspectOptions } from './inspect.js';
import type { MemoryOptions } from './memory.js';
import { printError } from './print-error.js';
import type { PrintfOptions } from './printf.js';
import type { RunOptions } from './run-options.js';
import { version } from './version.js';

const BAD_INPUT = 2;
const OUR_BUG = 70;

/**
 * Runs one command line.
 * @param argv what follows `vmlaunch`
 * @returns the exit status; it never throws
 */
export async function main(argv: readonly string[]): Promise<number> {
  let status = 0;
  const program = commands((result) => {
    status = result;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return status;
  } catch (error) {
    return statusOf(error);
  }
}

function commands(done: (status: number) => void): Command {
  const program = new Command('vmlaunch')
    .description('A virtual machine monitor whose whole machine is TypeScript, on KVM')
    .version(version())
    // Options behind `bench exit` are those of `exit`, where `bench` has such ones too.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  const run = program.command('run').description('start a kernel or flat image; the terminal is its serial console');
  withRunOptions(run).action(async (image: string, options: RunOptions) => {
    startThreadFor(options);
    done(await (await import('./run.js')).run(image, options));
  });

  const exits = program
    .command('exits')
    .description('run a kernel or flat image and show its VM exits: live in a terminal, and in a table at the end');
  withRunOptions(exits)
    .option('--trace <file>', "write every exit in Chrome's trace format, which ui.perfetto.dev opens")
    .option('--html <file>', 'write the exits as a page: a timeline and tables')
    .option('--symbols <file>', 'names for addresses, in place of those of the image: an ELF file or a System.map')
    .option(
      '--break-on <exit>',
      'stop at this exit and show the machine: pio:0x3f8, pio:0x3f8-0x3ff:w, mmio:0xfec00000, reason:shutdown, rip:0x100010; may be repeated',
      collect,
    )
    .addOption(new Option('--title <text>').hideHelp())
    .action(async (image: string, options: ExitsOptions) => {
      startThreadFor(options);
      done(await (await import('./exits.js')).exits(image, options));
    });

  const memory = program
    .command('memory')
    .description(
      "run a kernel or flat image to a moment, and show its memory: map, page tables, walks, KVM's own tables",
    );
  withRunOptions(memory)
    .option('--at <address>', 'stop before an instruction at this linear address; may be repeated', collect)
    .option('--after-exits <count>', "stop at a vCPU's exit of this number")
    .option('--walk <address>', 'walk this linear address, in place of rip and rsp; may be repeated', collect)
    .option('--html <file>', 'write it as a page, with a picture')
    .option('--json <file>', 'write it as JSON')
    .addOption(new Option('--title <text>').hideHelp())
    .addOption(new Option('--style <text>').hideHelp())
    .action(async (image: string, options: MemoryOptions) => {
      startThreadFor(options);
      done(await (await import('./memory.js')).memory(image, options));
    });

  const inspect = program
    .command('inspect')
    .description('say what an image is, where its parts go and how it is entered, or why it is refused')
    .option('--json', 'as JSON');
  withImageOptions(inspect).action(async (image: string, options: InspectOptions) =>
    done(await (await import('./inspect.js')).inspect(image, options)),
  );

  program
    .command('doctor')
    .description('say what this machine can run, and what to do where it cannot')
    .option('--json', 'as JSON')
    .action(async ({ json = false }: { json?: boolean }) => done(await (await import('./doctor.js')).doctor({ json })));

  program
    .command('setup')
    .description('prepare software hosts')
    .argument('[hosts...]', 'svm, vtx (default: both)')
    .action(async (hosts: string[]) => done(await (await import('./setup.js')).setup(hosts)));

  program
    .command('start')
    .description("boot Debian's cloud kernel to a busybox shell, on VT-x where it can be had")
    .action(async () => done(await (await import('./start.js')).start()));

  program
    .command('printf')
    .description('show the way of a printf, from a program in the guest to the host and back, step by step')
    .option('--html <file>', 'write it as a page')
    .option('--json <file>', 'write what was measured as JSON')
    .option('--no-text', 'print nothing but what the guest prints')
    .addOption(new Option('--lang <language>', 'English or Chinese').choices(['en', 'zh']).default('en'))
    .addOption(host('where to run: the local KVM where it has VT-x or SVM, or a software host'))
    .action(async (options: PrintfOptions) => done(await (await import('./printf.js')).printfCommand(options)));

  const bench = program
    .command('bench')
    .enablePositionalOptions()
    .description(
      'measure hardware virtualization against software emulation: the same guest on every engine that is here',
    )
    .addOption(
      new Option('--suite <suite>', 'all workloads, those of a kind, or one of each kind')
        .choices(SUITES)
        .default('all'),
    )
    .option('--engines <names>', 'by comma: native, kvm, qemu-kvm, qemu-tcg, bochs, v86 (default: all)')
    .option('--workloads <names>', 'by comma: names, or cpu, exits, serial, boot (default: all)')
    .option('--budget <seconds>', 'what all may take', '120')
    .option('--json <file>', 'write all samples as JSON')
    .option('--html <file>', 'write it as a page, with charts')
    .option('--markdown [file]', 'write tables for a README; without a file on standard output, in place of the table')
    .option('--no-text', 'print no table')
    .addOption(host('where to measure'))
    .option(
      '--compare <files...>',
      'measure nothing: say how the second result differs from the first, as --json wrote them',
    )
    .action(async ({ compare, ...options }: BenchSuiteOptions & { readonly compare?: readonly string[] }) => {
      if (compare === undefined) done(await (await import('./bench-suite.js')).benchSuite(options));
      else done((await import('./bench-compare.js')).benchCompare(compare));
    });
  bench
    .command('exit')
    .description('what an exit costs here, beside a loop in C')
    .option('--json <file>', 'write all samples as JSON')
    .option('--rounds <count>', 'rounds, at least 7', '7')
    .option('--exits <count>', 'exits of each round, above 5000, of which the first 5000 are cold (default: 30000)')
    .option('--trace', 'measure too what it costs to record the exits')
    .addOption(host('where to measure'))
    .action(async (options: BenchExitOptions) => {
      const { benchExitCommand } = await import('./bench.js');
      done(await benchExitCommand(options));
    });
  bench
    .command('levels')
    .description('the same program at each level of virtualization: natively, in a JVM, a container, a VM, an emulator')
    .option('--budget <seconds>', 'what the rounds may take, and a start (but 60 or more)', '60')
    .option('--json <file>', 'write all samples as JSON')
    .addOption(host('where to measure: on the local KVM where it runs Linux, or all of it in a software host'))
    .addOption(new Option('--guest <directory>').hideHelp())
    .action(async (options: BenchLevelsOptions) => {
      const { benchLevels } = await import('./bench-levels.js');
      done(await benchLevels(options));
    });
  bench
    .command('memory')
    .description('what EPT or NPT buys: touching memory with it and with shadow paging, and 4 KiB or 2 MiB behind it')
    .option('--budget <seconds>', 'what the rounds may take, in each host', '30')
    .option('--json <file>', 'write all samples as JSON')
    .option('--html <file>', 'write it as a page, with charts')
    .option('--markdown [file]', 'write tables for a README; without a file on standard output, in place of the table')
    .option('--no-text', 'print no table')
    .addOption(
      host('where to measure: a KVM here has one of the two ways of paging, a software host is started for each'),
    )
    .action(async (options: BenchMemoryOptions) => {
      const { benchMemory } = await import('./bench-memory.js');
      done(await benchMemory(options));
    });
  bench
    .command('startup')
    .description('how long a machine takes to start here, from the start of the process to its first KVM_RUN')
    .option('--json <file>', 'write all samples as JSON')
    .option('--rounds <count>', 'rounds', '7')
    .addOption(host('where to measure'))
    .action(async (options: MeasureOptions) =>
      done(await (await import('./bench-startup.js')).benchStartupCommand(options)),
    );
  return program;
}

/** A vCPU's thread loads while this one does. */
function startThreadFor({ host }: RunOptions): void {
  if (isSurelyLocal(host)) prepareThread().catch(() => {}); // whoever takes it is told
}

/** What a command that runs a machine is told. */
function withRunOptions(command: Command): Command {
  return withImageOptions(command)
    .option('--cpus <count>', 'vCPUs, 1 to 255', '1')
    .option('--timeout <seconds>', 'end the machine after so many seconds')
    .option('--reboot', 'start the image again after a reset')
    .option('--without <features>', 'paravirtual features to switch off, by comma: kvmclock,pvEoi, … or all')
    .option('--screen', 'show the text screen in the terminal, which types on the keyboard')
    .option('--screenshot <file>', 'write the text screen as PNG at the end')
    .option('--font <file>', "the screenshot's font, 16 bytes for each of 256 characters (default: a VGA's)")
    .option('--stats', 'print exits by reason, and the time inside and outside of KVM_RUN')
    .option('--trace-kvm', 'have the kernel record what KVM does, for a post-mortem (wants root, costs time)')
    .option('--report <file>', 'write what happened as JSON')
    .addOption(host('where to run: the local KVM, or a software host with a KVM of its own'))
    .addOption(new Option('--clock <clock>', "a software host's clock").choices(['now', 'fixed']).default('now'));
}

/** What a command that takes an image is told about it. */
function withImageOptions(command: Command): Command {
  return command
    .argument('<image>', 'a kernel (bzImage, multiboot, PVH, ELF) or a flat image, plain or packed with gzip')
    .addOption(new Option('--form <form>', "the image's form, in place of what its contents show").choices(FORM_NAMES))
    .option('--initrd <file>', "Linux's initial RAM disk, or the first module of another kernel")
    .option('--module <"file arguments">', 'a module for a multiboot or PVH kernel; may be repeated', collect)
    .option('--append <arguments>', "the kernel's command line (default for Linux: console=ttyS0)")
    .option('--memory <size>', 'RAM, such as 256M or 2G', '256M')
    .addOption(new Option('--huge-pages <kind>', 'pages of 2 MiB behind RAM').choices(HUGE_PAGES))
    .addOption(new Option('--flat <mode>', 'the image is a flat one').choices(['real', 'protected', 'long']))
    .option('--no-unpack', 'let a bzImage unpack itself in the guest, with KASLR')
    .option('--load-address <address>', 'where a flat image goes')
    .option('--firmware <file>', "what boots a floppy image, or runs before a kernel: a file, or Debian's 'seabios'");
}

const host = (text: string) => new Option('--host <host>', text).choices(HOSTS).default('auto');

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

/** Says on stderr what is wrong, in one line and a hint, and gives the exit status. */
function statusOf(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    process.stderr.write(`vmlaunch: ${error.message.replace(/^error: /, '').replace(/\n/g, ' ')}\n`);
    return BAD_INPUT;
  }
  if (error instanceof VmError) {
    printError(error);
    return exitStatusOfError(error);
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`vmlaunch: a bug of vmlaunch: ${text}\n`);
  return OUR_BUG;
}
