import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensurePackages } from '../../src/setup/packages.js';
import { type Dockerfile, parseDockerfile } from './dockerfile.js';

/**
 * A bare Debian 12 with Node and nothing else, in which the Dockerfile's own commands run: what a person meets after
 * `git clone`, and what `docker build` would do.
 */
const ROOT = path.resolve(import.meta.dirname, '../..');
const MINUTE = 60_000;

const why =
  process.env.VMLAUNCH_LONG !== '1'
    ? 'takes minutes: only with npm run test:long'
    : process.getuid?.() !== 0
      ? 'a chroot needs root'
      : undefined;

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function runToEnd(command: string, args: readonly string[], env = process.env): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

const output = (command: string, args: readonly string[]) =>
  execFileSync(command, args, { encoding: 'utf8', cwd: ROOT, maxBuffer: 64 << 20 });

/** How this machine reaches Debian's archive, apart from the addresses themselves. */
function aptOptions(): string {
  const lines = output('apt-config', ['dump', '--format', '%F "%v";%n', 'Acquire']).split('\n');
  return `${lines.filter((line) => /^Acquire::(https?|Check-|Retries)\b.*"[^"]+"/.test(line)).join('\n')}\n`;
}

/** This machine's own sources where it is the same Debian, else the public ones. */
function aptSources(): string[] {
  if (!/^VERSION_CODENAME=bookworm$/m.test(fs.readFileSync('/etc/os-release', 'utf8'))) return [];
  const files = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'];
  return files.filter((file) => fs.existsSync(file) && /^(deb |Types: .*deb)/m.test(fs.readFileSync(file, 'utf8')));
}

/** How this machine reaches npm's registry: proxies, the registry's address and further certificates. */
function network(): { env: Record<string, string>; files: string[] } {
  const env: Record<string, string> = {};
  const files = ['/etc/resolv.conf', '/etc/hosts'];
  const take = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== '' && value !== 'null') env[name] = value;
  };
  for (const name of Object.keys(process.env)) {
    if (/^(https?|all|no)_proxy$/i.test(name) || name === 'NODE_EXTRA_CA_CERTS') take(name, process.env[name]);
  }
  for (const key of ['registry', 'cafile', 'proxy', 'https-proxy']) {
    take(`NPM_CONFIG_${key.replaceAll('-', '_').toUpperCase()}`, output('npm', ['config', 'get', key]).trim());
  }
  for (const file of [env.NODE_EXTRA_CA_CERTS, env.NPM_CONFIG_CAFILE]) if (file) files.push(file);
  return { env, files };
}

describe('[bare] Debian 12 with Node alone', () => {
  let scratch: string;
  let chroot: string;
  let docker: Dockerfile;
  let env: Record<string, string>;

  /** Runs a command inside: with its own /proc, and gone with all that it started. */
  function inside(cwd: string, command: readonly string[]): Promise<Result> {
    const enter = ['--mount', '--pid', '--fork', '--kill-child', `--mount-proc=${chroot}/proc`];
    const wrapped = ['chroot', chroot, 'sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', cwd, ...command];
    const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    return runToEnd('unshare', [...enter, ...wrapped], { ...env, PATH, HOME: '/root' });
  }

  const expectSuccess = (result: Result): Result => {
    expect(result.status, `${result.stdout}\n${result.stderr}`).toBe(0);
    return result;
  };

  function copyIn(from: string, to: string): void {
    const target = path.join(chroot, to);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.cpSync(from, target, { recursive: true, dereference: true });
  }

  /** The files that git tracks, as they are in the work tree. */
  function copyRepository(to: string): void {
    for (const file of output('git', ['ls-files', '-z']).split('\0').filter(Boolean)) {
      if (fs.existsSync(path.join(ROOT, file))) copyIn(path.join(ROOT, file), path.join(to, file));
    }
  }

  /** As Node's own archives and images have it: below /usr/local, headers and npm beside it. */
  function copyNode(): void {
    const prefix = path.resolve(process.execPath, '../..');
    copyIn(process.execPath, '/usr/local/bin/node');
    copyIn(path.join(prefix, 'include/node'), '/usr/local/include/node');
    copyIn(path.join(prefix, 'lib/node_modules/npm'), '/usr/local/lib/node_modules/npm');
  }

  beforeAll(async () => {
    if (why !== undefined) return;
    docker = parseDockerfile(fs.readFileSync(path.join(ROOT, 'Dockerfile'), 'utf8'));
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-bare-'));
    fs.chmodSync(scratch, 0o755);
    chroot = path.join(scratch, 'root');
    const packages = await ensurePackages(['mmdebstrap'], (line) => process.stderr.write(`${line}\n`));
    const options = path.join(scratch, 'apt.conf');
    fs.writeFileSync(options, aptOptions());
    const args = ['--variant=apt', `--aptopt=${options}`, '--dpkgopt=force-unsafe-io', '--quiet'];
    const made = await runToEnd(packages.path('/usr/bin/mmdebstrap'), [...args, 'bookworm', chroot, ...aptSources()]);
    expectSuccess(made);
    const { files, env: reach } = network();
    env = reach;
    for (const file of files) copyIn(fs.realpathSync(file), file);
    copyNode();
  }, 10 * MINUTE);

  afterAll(() => {
    if (scratch !== undefined) fs.rmSync(scratch, { recursive: true });
  });

  it(
    'tells an ordinary user one command, and fetches nothing before that',
    async ({ skip }) => {
      if (why !== undefined) skip(why);
      copyRepository('/home/user/vmlaunch');
      expectSuccess(await inside('/', ['chown', '-R', 'nobody', '/home/user']));
      const asUser = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', 'env', 'HOME=/home/user'];
      const { status, stderr } = await inside('/home/user/vmlaunch', [...asUser, 'node', 'src/bootstrap.mjs', 'build']);
      expect(stderr).toMatch(/the build needs g\+\+, make, python3\n/);
      expect(stderr).toMatch(/sudo apt-get install -y --no-install-recommends g\+\+ make python3\n/);
      expect(status).toBe(4);
      expect(fs.existsSync(path.join(chroot, 'home/user/vmlaunch/node_modules'))).toBe(false);
    },
    2 * MINUTE,
  );

  it(
    'the Dockerfile’s commands make a vmlaunch that works',
    async ({ skip }) => {
      if (why !== undefined) skip(why);
      expect(docker.steps.filter(({ kind }) => kind === 'run').length).toBeGreaterThan(0);
      let cwd = '/';
      for (const step of docker.steps) {
        if (step.kind === 'workdir') {
          cwd = path.posix.resolve(cwd, step.directory);
          fs.mkdirSync(path.join(chroot, cwd), { recursive: true });
        } else if (step.kind === 'copy-all') copyRepository(cwd);
        else expectSuccess(await inside(cwd, ['sh', '-c', step.command]));
      }
      const vmlaunch = (...args: string[]) => inside(cwd, [...docker.entrypoint, ...args]);
      const { version } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
      expect(expectSuccess(await vmlaunch('--version')).stdout.trim()).toBe(version);
      const report = JSON.parse((await vmlaunch('doctor', '--json')).stdout);
      expect(report).toBeTypeOf('object');
      expect(Object.keys(report)).not.toEqual([]);
    },
    15 * MINUTE,
  );

  it('is what the Dockerfile’s base image holds', ({ skip }) => {
    if (why !== undefined) skip(why);
    expect(docker.base).toMatch(/bookworm/);
    const { status, stdout } = spawnSync('chroot', [chroot, 'cat', '/etc/os-release'], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toMatch(/VERSION_CODENAME=bookworm/);
  });
});
