import { ExitTable } from '../exit-table.js';
import type { EmbeddedExits } from '../page-data.js';
import { byId } from './dom.js';

/** The JSON of a script element. */
export function embedded<Data>(id: string): Data {
  return JSON.parse(byId(id).textContent ?? '') as Data;
}

/** Unpacks what `embedExits` made. */
export async function exitsOf({ head, bytes }: EmbeddedExits): Promise<ExitTable> {
  const text = atob(bytes);
  const packed = new Uint8Array(text.length);
  for (let at = 0; at < packed.length; at++) packed[at] = text.charCodeAt(at); // Uint8Array.from would take a second
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return ExitTable.from(head, new Uint8Array(await new Response(stream).arrayBuffer()));
}
