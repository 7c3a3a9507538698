/**
 * Writes which line of the source each piece of the guest's code comes from, as binutils read it from the debug
 * information, with the source itself: node line-table.mjs GUEST.elf TABLE.json, in guest-images/. An address inside an
 * inline function of a header is its caller's. src/trace/line-table.ts reads it.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

const [elf, out] = process.argv.slice(2);
if (elf === undefined || out === undefined) throw new Error('node line-table.mjs GUEST.elf TABLE.json');

const tool = (name, args, input) => execFileSync(name, args, { encoding: 'utf8', input, maxBuffer: 64 << 20 });

/** Every address at which a line begins. */
function lineAddresses() {
  const table = tool('readelf', ['--debug-dump=decodedline', '-W', elf]);
  const rows = table.matchAll(/^\S+ +(?:\d+|-) +(0x[0-9a-f]+)\b/gm);
  return [...new Set([...rows].map(([, address]) => Number(address)))].sort((a, b) => a - b);
}

/** The calls at each address, the innermost first. */
function callsAt(addresses) {
  const asked = addresses.map((address) => `0x${address.toString(16)}\n`).join('');
  const answers = tool('addr2line', ['-i', '-f', '-a', '-e', elf], asked).split(/^0x[0-9a-f]{16}\n/m);
  const calls = /^(?<name>.*)\n(?<file>.*):(?<line>\d+|\?).*$/gm;
  return answers.slice(1).map((answer) => [...answer.matchAll(calls)].map(({ groups }) => groups));
}

const files = [];
function indexOf(path) {
  const known = files.findIndex((file) => file.path === path);
  if (known >= 0) return known;
  return files.push({ path, lines: fs.readFileSync(path, 'utf8').trimEnd().split('\n') }) - 1;
}

function rowOf(address, calls) {
  const place = calls.find(({ file }) => /\.[cS]$/.test(file)) ?? calls.at(-1);
  // Where debug information has no answer, the row ends the one before.
  if (!(Number(place?.line) > 0)) return [address];
  const path = place.file.replace(/^.*\/guest-images\//, '').replace(/^(\.?\/)+/, '');
  return [address, indexOf(path), Number(place.line)];
}

const addresses = lineAddresses();
const calls = callsAt(addresses);
const rows = addresses.map((address, index) => rowOf(address, calls[index]));
const names = tool('nm', [elf]).matchAll(/^([0-9a-f]+) [a-zA-Z] (\S+)$/gm);
const symbols = Object.fromEntries([...names].map(([, address, name]) => [name, Number(`0x${address}`)]));

fs.writeFileSync(out, `${JSON.stringify({ symbols, files, rows })}\n`);
