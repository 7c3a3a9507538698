// From a clone to something that runs: `node src/bootstrap.mjs start|test|build|setup [args]`, with nothing but Node.
// It brings the compiler, the npm packages, the addon and the compiled TypeScript up to date, and does what is asked.
// --no-install: nothing is installed in the system. VMLAUNCH_VERBOSE=1: what the tools print is shown.
// @ts-check
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const MAIN = path.join(ROOT, 'dist/bundle/vmlaunch.cjs');
/** The oldest Node that is supported: package.json's `engines`. */
const OLDEST_NODE = /** @type {const} */ ([20, 19]);
/** The command's exit status for "this host cannot do it", here as everywhere in vmlaunch. */
const NO_USABLE_HOST = 4;
/** Programs that the addon's build needs, which are also the names of their Debian packages. */
const TOOLS = ['g++', 'make', 'python3'];

/** Ends with one line for the user, and what to do. */
export class Stop extends Error {
  /** @param {string} message @param {string} hint */
  constructor(message, hint = '') {
    super(message);
    this.hint = hint;
  }
}

/** @typedef {{ command: 'start' | 'test' | 'build' | 'setup', args: string[], noInstall: boolean, long: boolean }} Request */

/** @param {readonly string[]} argv @returns {Request} */
export function parseArguments(argv) {
  const [command, ...rest] = argv;
  if (command !== 'start' && command !== 'test' && command !== 'build' && command !== 'setup') {
    throw new Stop('usage: node src/bootstrap.mjs start|test|build|setup [--no-install] [arguments]');
  }
  const noInstall = rest.includes('--no-install');
  const long = command === 'test' && rest.includes('--long');
  const args = rest.filter((arg) => arg !== '--no-install' && !(long && arg === '--long'));
  return { command, args, noInstall, long };
}

/** @param {string} version `process.versions.node` */
export function nodeIsRecentEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
}

/** What the lock file asks for, in one string: the same string, the same node_modules. @param {string} lockText */
export function lockStamp(lockText) {
  return digest([lockText, process.platform, process.arch]);
}

/**
 * Whether node_modules already holds what the lock file asks for, by npm's own record of it
 * (node_modules/.package-lock.json): somebody ran npm without us.
 * @typedef {{ packages?: Record<string, { version?: string, integrity?: string, optional?: boolean }> }} NpmLock
 * @param {NpmLock} wanted @param {NpmLock} installed
 */
export function installedMatches(wanted, installed) {
  const there = installed.packages ?? {};
  const asked = wanted.packages ?? {};
  const satisfied = Object.entries(asked).every(([name, { version, integrity, optional }]) => {
    const found = there[name];
    if (name === '') return true;
    // npm leaves out what is for other systems.
    if (found === undefined) return optional === true;
    return found.version === version && found.integrity === integrity;
  });
  return satisfied && Object.keys(there).every((name) => name in asked);
}

/**
 * What to do about missing build tools.
 * @param {{ missing: readonly string[], debian: boolean, root: boolean, noInstall: boolean }} situation
 * @returns {{ install: readonly string[] } | { stop: Stop } | undefined} undefined: nothing is missing
 */
export function planForTools({ missing, debian, root, noInstall }) {
  if (missing.length === 0) return undefined;
  const names = missing.join(' ');
  if (debian && root && !noInstall) return { install: missing };
  const apt = `apt-get update && apt-get install -y --no-install-recommends ${names}`;
  const sudo = root ? apt : apt.replaceAll('apt-get', 'sudo apt-get');
  const hint = debian ? `Type: ${sudo}` : `Install ${names} with your distribution's own tools.`;
  return { stop: new Stop(`the build needs ${missing.join(', ')}`, hint) };
}

/**
 * The environment and arguments for node-gyp: Node's own headers where they are installed beside it. npm hands its
 * setting for it down in the environment, which would win over the argument.
 * @param {NodeJS.ProcessEnv} env @param {string | undefined} prefix the directory that holds include/node
 */
export function nodeGypCall(env, prefix) {
  if (prefix === undefined) return { args: ['rebuild'], env };
  const clean = Object.fromEntries(Object.entries(env).filter(([name]) => !/^npm_.*nodedir$/i.test(name)));
  return { args: ['rebuild', `--nodedir=${prefix}`], env: clean };
}

/** One string for the names, sizes and times of files: another string, something changed. @param {readonly string[]} files */
export function fingerprint(files) {
  return digest(
    files.map((file) => {
      const stat = fs.statSync(file, { throwIfNoEntry: false });
      return stat ? `${file} ${stat.size} ${stat.mtimeMs}` : `${file} missing`;
    }),
  );
}

/** Every file below a directory, in a fixed order. @param {string} directory @returns {string[]} */
export function filesBelow(directory) {
  if (!fs.existsSync(directory)) return [];
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
}

/** @param {readonly string[]} parts */
function digest(parts) {
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}

/** @param {string} file */
function textOf(file) {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`vmlaunch: ${line}\n`);
}

/** How long each stage took. @type {{ name: string, ms: number }[]} */
const stages = [];

/** @param {string} name @param {string} line what to say when it starts @param {() => Promise<void>} body */
async function stage(name, line, body) {
  say(line);
  const start = performance.now();
  await body();
  stages.push({ name, ms: performance.now() - start });
}

/** @param {string} program */
function inPath(program) {
  return (process.env.PATH ?? '').split(':').some((directory) => fs.existsSync(path.join(directory, program)));
}

/** The child that runs now: it hears of the signals that end us. @type {import('node:child_process').ChildProcess | undefined} */
let child;

/**
 * @param {string} command @param {readonly string[]} args @param {import('node:child_process').SpawnOptions} options
 * @returns {Promise<{ status: number, output: string }>}
 */
function spawnToEnd(command, args, options) {
  return new Promise((resolve, reject) => {
    const started = spawn(command, args, { cwd: ROOT, ...options });
    child = started;
    /** @type {Buffer[]} */
    const output = [];
    for (const stream of [started.stdout, started.stderr]) stream?.on('data', (chunk) => output.push(chunk));
    started.on('error', reject);
    started.on('close', (status, signal) => {
      child = undefined;
      resolve({ status: status ?? statusOf(signal ?? 'SIGKILL'), output: Buffer.concat(output).toString('utf8') });
    });
  });
}

/** A shell's exit status for an end by a signal. @param {NodeJS.Signals} signal */
function statusOf(signal) {
  return 128 + os.constants.signals[signal];
}

/** @type {NodeJS.Signals | undefined} */
let endedBy;

/** A terminal sends Ctrl-C to the child as well; who else signals us means the child too. */
function passSignalsOn() {
  for (const signal of /** @type {const} */ (['SIGHUP', 'SIGINT', 'SIGTERM'])) {
    process.on(signal, () => {
      endedBy = signal;
      if (child === undefined) process.exit(statusOf(signal));
      if (!(signal === 'SIGINT' && process.stdin.isTTY)) child.kill(signal);
    });
  }
}

/**
 * Runs a tool and shows what it printed only if it fails.
 * @param {string} what @param {string} command @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, hint?: string }} options
 */
async function tool(what, command, args, { env = process.env, hint = '' } = {}) {
  const verbose = process.env.VMLAUNCH_VERBOSE === '1';
  const { status, output } = await spawnToEnd(command, args, {
    env,
    stdio: ['ignore', verbose ? 2 : 'pipe', verbose ? 2 : 'pipe'],
  });
  if (status === 0 && endedBy === undefined) return;
  if (endedBy === undefined) process.stderr.write(output);
  throw new Stop(`${what} failed (status ${status})`, hint);
}

/** @param {string} what @param {string} script below node_modules @param {readonly string[]} args */
function nodeTool(what, script, args) {
  return tool(what, process.execPath, [path.join(ROOT, 'node_modules', script), ...args]);
}

/**
 * The lock of this clone, held until it is released or this process ends. Node has no flock(2): flock(1) takes the
 * lock on an open file that it shares with us.
 */
function lockClone() {
  const directory = path.join(ROOT, '.cache');
  fs.mkdirSync(directory, { recursive: true });
  const fd = fs.openSync(path.join(directory, 'bootstrap.lock'), 'a');
  /** @param {string[]} flags */
  const flock = (flags) => spawnSync('flock', [...flags, '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  if (flock(['-n']).status !== 0) {
    say('waiting for another build in this clone');
    const { status, error } = flock([]);
    if (status !== 0) throw new Stop(`this clone cannot be locked: ${error?.message ?? `flock: status ${status}`}`);
  }
  return () => fs.closeSync(fd);
}

function checkHost() {
  if (!nodeIsRecentEnough(process.versions.node)) {
    const oldest = OLDEST_NODE.join('.');
    throw new Stop(
      `Node ${process.versions.node} is too old: ${oldest} or newer is needed`,
      'See https://nodejs.org/.',
    );
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Stop(`vmlaunch needs Linux on x86-64, and this is ${process.platform} on ${process.arch}`);
  }
}

async function buildTools() {
  const plan = planForTools({
    missing: TOOLS.filter((name) => !inPath(name)),
    debian: fs.existsSync('/etc/debian_version') && inPath('apt-get'),
    root: process.getuid?.() === 0,
    noInstall: process.env.VMLAUNCH_NO_INSTALL === '1',
  });
  if (plan === undefined) return;
  if ('stop' in plan) throw plan.stop;
  await stage('packages', `installing Debian packages: ${plan.install.join(', ')}`, async () => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const hint = "Check the network and apt's sources.";
    await tool('apt-get update', 'apt-get', ['update'], { env, hint });
    // Who asks for more packages later in this run need not fetch the lists again.
    process.env.VMLAUNCH_APT_UPDATED = '1';
    const options = ['-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=600'];
    await tool('apt-get install', 'apt-get', ['install', ...options, ...plan.install], { env, hint });
  });
}

/** npm's script: the npm that runs us, else the one beside this Node. */
function npmScript() {
  const own = process.env.npm_execpath ?? '';
  const beside = path.resolve(process.execPath, '../../lib/node_modules/npm/bin/npm-cli.js');
  return [path.basename(own) === 'npm-cli.js' ? own : '', beside].find((file) => file !== '' && fs.existsSync(file));
}

async function npmPackages() {
  const lockText = textOf(path.join(ROOT, 'package-lock.json'));
  const stampFile = path.join(ROOT, 'node_modules/.vmlaunch-stamp');
  const stamp = lockStamp(lockText);
  if (textOf(stampFile) === stamp) return;
  const record = textOf(path.join(ROOT, 'node_modules/.package-lock.json'));
  if (record === '' || !installedMatches(JSON.parse(lockText), JSON.parse(record))) {
    await stage('npm ci', 'fetching the npm packages (npm ci)', async () => {
      const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
      const script = npmScript();
      const hint = 'Check the network and npm’s configuration (npm config list).';
      if (script) await tool('npm ci', process.execPath, [script, ...args], { hint });
      else await tool('npm ci', 'npm', args, { hint });
    });
  }
  fs.writeFileSync(stampFile, stamp);
}

const ADDON_STAMP = path.join(ROOT, 'build/.vmlaunch-stamp');

/** What the addon is made of, in one string: its sources, and the ABI of this Node. */
function addonStamp() {
  const sources = [...filesBelow(path.join(ROOT, 'native')), path.join(ROOT, 'binding.gyp')];
  const contents = sources.map((file) => `${path.relative(ROOT, file)}\n${textOf(file)}`);
  return digest([process.versions.modules, process.arch, ...contents]);
}

/** @param {string} stamp */
function addonIsBuilt(stamp) {
  return textOf(ADDON_STAMP) === stamp && fs.existsSync(path.join(ROOT, 'build/Release/vmlaunch.node'));
}

/** @param {string} stamp */
async function addon(stamp) {
  const prefix = path.resolve(process.execPath, '../..');
  const own = fs.existsSync(path.join(prefix, 'include/node/node.h')) ? prefix : undefined;
  const { args, env } = nodeGypCall(process.env, own);
  const script = path.join(ROOT, 'node_modules/node-gyp/bin/node-gyp.js');
  await stage('addon', 'building the addon (node-gyp)', () =>
    tool('the build of the addon', process.execPath, [script, ...args], { env }),
  );
  fs.writeFileSync(ADDON_STAMP, stamp);
}

/** Our own guests. make looks itself at what has changed. */
async function guestImages() {
  await tool('the build of the guests', 'make', ['-s', '-C', path.join(ROOT, 'guest-images')]);
}

async function typescript() {
  const sources = filesBelow(path.join(ROOT, 'src')).filter((file) => /\.(ts|json)$/.test(file));
  const stampFile = path.join(ROOT, 'dist/.vmlaunch-stamp');
  const settings = ['tsconfig.json', 'rolldown.config.mjs', 'package-lock.json'];
  const stamp = fingerprint([...settings.map((file) => path.join(ROOT, file)), ...sources]);
  if (textOf(stampFile) === stamp && fs.existsSync(MAIN)) return;
  await stage('TypeScript', 'compiling TypeScript', async () => {
    // Its record of what it did last knows nothing of what was removed since.
    if (!fs.existsSync(MAIN)) fs.rmSync(path.join(ROOT, 'dist'), { recursive: true, force: true });
    await nodeTool('the compilation', 'typescript/bin/tsc', ['-p', '.']);
    await nodeTool('the compilation for browsers', 'typescript/bin/tsc', ['-p', 'src/trace/html/page']);
    await nodeTool('the bundling', 'rolldown/bin/cli.mjs', ['--config', 'rolldown.config.mjs']);
    fs.chmodSync(MAIN, 0o755);
  });
  fs.writeFileSync(stampFile, stamp);
}

async function build() {
  checkHost();
  const unlock = lockClone();
  try {
    const stamp = addonStamp();
    const needsAddon = !addonIsBuilt(stamp);
    // First what only the user may be able to mend.
    if (needsAddon) await buildTools();
    await npmPackages();
    if (needsAddon) await addon(stamp);
    await guestImages();
    await typescript();
  } finally {
    unlock();
  }
}

/** The command itself takes over this process: signals, terminal and exit status are its own. @param {readonly string[]} args */
async function becomeCommand(args) {
  for (const signal of /** @type {const} */ (['SIGHUP', 'SIGINT', 'SIGTERM'])) process.removeAllListeners(signal);
  process.argv.splice(1, process.argv.length, MAIN, ...args);
  await import(pathToFileURL(MAIN).href);
}

/** @param {Request} request @returns {Promise<number>} the exit status */
async function test({ args, long }) {
  if (long) process.env.VMLAUNCH_LONG = '1';
  await stage('tests’ types', 'compiling the tests', () =>
    nodeTool('the compilation of the tests', 'typescript/bin/tsc', ['-p', 'tests/tsconfig.json']),
  );
  let status = 0;
  await stage('nested hosts', 'setting up the nested hosts svm and vtx', async () => {
    ({ status } = await spawnToEnd(process.execPath, [MAIN, 'setup', 'svm', 'vtx'], { stdio: ['ignore', 2, 2] }));
  });
  if (status !== 0) throw new Stop(`the set-up of the nested hosts failed (status ${status})`);
  // The tests' own report comes last; it may show these times as well.
  const times = stages.map(({ name, ms }) => `${name} ${(ms / 1000).toFixed(1)} s`).join(', ');
  say(`before the tests: ${times}`);
  process.env.VMLAUNCH_STAGES = times;
  const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs');
  return (await spawnToEnd(process.execPath, [vitest, 'run', ...args], { stdio: 'inherit' })).status;
}

async function main() {
  const request = parseArguments(process.argv.slice(2));
  if (request.noInstall) process.env.VMLAUNCH_NO_INSTALL = '1';
  passSignalsOn();
  await build();
  if (request.command === 'test') process.exitCode = await test(request);
  if (request.command === 'start' || request.command === 'setup') {
    await becomeCommand([request.command, ...request.args]);
  }
}

if (process.argv[1] !== undefined && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    if (!(error instanceof Stop)) throw error;
    if (endedBy !== undefined) process.exit(statusOf(endedBy));
    say(error.message);
    if (error.hint !== '') say(error.hint);
    process.exitCode = NO_USABLE_HOST;
  });
}
