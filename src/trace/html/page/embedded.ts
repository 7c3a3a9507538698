import { ExitTable } from '../exit-table.js';
import type { EmbeddedExits } from '../page-data.js';
import { byId } from './dom.js';

/** The JSON of a script element. */
export function embedded<Data>(id: string): Data {
  return JSON.parse(byId(id).textContent ?? '') as Data;
}

/** Unpacks what `embedExits` made. */
export async function exitsOf({ head, bytes }: EmbeddedExits): Promise<ExitTable> {
  const packed = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return ExitTable.from(head, new Uint8Array(await new Response(stream).arrayBuffer()));
}
