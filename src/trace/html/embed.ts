import { gzipSync } from 'node:zlib';
import { visible } from './escape.js';
import type { ExitTable } from './exit-table.js';
import type { EmbeddedExits } from './page-data.js';

export function embedExits(table: ExitTable): EmbeddedExits {
  const head = table.head();
  return {
    head: { ...head, strings: head.strings.map(visible) },
    bytes: gzipSync(Buffer.concat(table.toBytes())).toString('base64'),
  };
}
