import { demoGuest } from '../setup/demo.js';
import { chooseHost } from './choose-host.js';
import { run } from './run.js';

/** `vmlaunch start`: Debian's cloud kernel with busybox; a shell on a terminal, else a script. */
export async function start(): Promise<number> {
  const progress = (line: string) => void process.stderr.write(`vmlaunch: ${line}\n`);
  const { host, why } = chooseHost('auto', true, 'vtx');
  progress(`host ${host}: ${why}`);
  const guest = await demoGuest(progress, process.stdin.isTTY === true ? 'shell' : 'demo');
  return run(guest.kernel, {
    initrd: guest.initrd,
    append: guest.commandLine,
    memory: '256M',
    cpus: '1',
    stats: true,
    host,
    clock: 'now',
  });
}
