import { spawn } from 'node:child_process';
import { killGroup, lastLine } from '../program-engine.js';
import type { Running } from './running.js';

const MOST_ERROR_BYTES = 4096;

/** Starts a program that runs the levels' program, or is it. */
export function runProgram(
  [file, ...args]: readonly [string, ...string[]],
  environment: Readonly<Record<string, string>> = {},
): Running {
  // A group of its own: what it starts ends with it.
  const child = spawn(file, args, {
    stdio: 'pipe',
    detached: true,
    env: { ...process.env, ...environment },
  });
  const kill = (): void => killGroup(child);
  process.once('exit', kill);
  let complaint = '';
  child.stderr.on('data', (bytes: Buffer) => {
    complaint = (complaint + bytes.toString()).slice(0, MOST_ERROR_BYTES);
  });
  // It has ended, which is told by its end.
  child.stdin.on('error', () => {});
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`did not start: ${error.message}`));
    child.once('close', (status, killedBy) => {
      process.off('exit', kill);
      const how = killedBy === null ? `ended with status ${status}` : `was ended by ${killedBy}`;
      resolve(`${how}${lastLine(complaint)}`);
    });
  });
  return {
    input: child.stdin,
    output: child.stdout,
    ended,
    stop: async () => {
      kill();
      // Nobody may read it any more, and it closes when it was read.
      child.stdout.resume();
      await ended;
    },
  };
}
