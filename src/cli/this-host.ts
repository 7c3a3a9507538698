import fs from 'node:fs';
import { describeHost, type HostDescription, type HostFiles, loadOf } from '../bench/describe-host.js';
import { whereWeAre } from './report.js';

const files: HostFiles = {
  read: (path) => unlessMissing(() => fs.readFileSync(path, 'utf8')),
  names: (directory) => unlessMissing(() => fs.readdirSync(directory).sort()) ?? [],
};

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

export function describeThisHost(): HostDescription {
  const { host, flavour } = whereWeAre();
  return describeHost(files, { kind: host, flavour });
}

/** Of the last minute. */
export const loadNow = (): number | null => loadOf(files);
