import { benchMarkdown } from '../bench/report/markdown.js';
import { benchPage } from '../bench/report/page.js';
import type { BenchResult } from '../bench/result.js';
import { writeFile } from '../host/write-file.js';
import { benchTable } from './bench-table.js';
import { plainOptionsOf } from './pen.js';

export interface BenchShowOptions {
  readonly json?: string;
  readonly html?: string;
  /** A file; `true`: standard output, in place of the table. */
  readonly markdown?: string | true;
  /** False with --no-text. */
  readonly text: boolean;
}

/**
 * Writes a result to the files that were asked for, and prints it.
 * @param table what is printed
 * @throws VmError FILE_UNREADABLE
 */
export function showBench(
  result: BenchResult,
  { json, html, markdown, text }: BenchShowOptions,
  table = benchTable,
): void {
  if (json !== undefined) writeFile(json, `${JSON.stringify(result, null, 2)}\n`);
  if (html !== undefined) writeFile(html, benchPage(result));
  if (typeof markdown === 'string') writeFile(markdown, benchMarkdown(result));
  if (!text) return;
  const { isTTY = false, columns = 80 } = process.stdout;
  const plain = plainOptionsOf(isTTY, process.env);
  process.stdout.write(markdown === true ? benchMarkdown(result) : table(result, { ...plain, columns }));
}
