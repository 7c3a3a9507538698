import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BOOT_PARAMS, BOOT_PARAMS_BYTES, SCREEN_INFO } from '../../../src/boot/boot-params.js';
import { HDR, HEADER_LIMIT } from '../../../src/boot/linux-header.js';
import { E820_ENTRY_BYTES } from '../../../src/boot/memory-map.js';

/** What the C compiler makes of <asm/bootparam.h>. */
function probe(expressions: readonly string[]): number[] {
  const directory = mkdtempSync(join(tmpdir(), 'vmlaunch-bootparam-'));
  try {
    const source = join(directory, 'probe.c');
    const program = join(directory, 'probe');
    const prints = expressions.map((text) => `printf("%lu\\n", (unsigned long)(${text}));`);
    const includes = '#include <stddef.h>\n#include <stdio.h>\n#include <asm/bootparam.h>\n';
    writeFileSync(source, `${includes}int main(void) {\n${prints.join('\n')}\nreturn 0;\n}\n`);
    execFileSync('gcc', ['-o', program, source]);
    return execFileSync(program, { encoding: 'utf8' }).trim().split('\n').map(Number);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

it('has every offset where the kernel header has it', () => {
  const ours: Record<string, number> = {
    ...Object.fromEntries(Object.entries(HDR).map(([name, at]) => [`offsetof(struct boot_params, hdr.${name})`, at])),
    ...Object.fromEntries(
      Object.entries(BOOT_PARAMS).map(([name, at]) => [`offsetof(struct boot_params, ${name})`, at]),
    ),
    'offsetof(struct boot_params, edd_mbr_sig_buffer)': HEADER_LIMIT,
    ...Object.fromEntries(
      Object.entries(SCREEN_INFO).map(([name, at]) => [`offsetof(struct screen_info, ${name})`, at]),
    ),
    'sizeof(struct boot_params)': BOOT_PARAMS_BYTES,
    'sizeof(struct boot_e820_entry)': E820_ENTRY_BYTES,
    XLF_KERNEL_64: 1,
    LOADED_HIGH: 1,
  };
  const theirs = probe(Object.keys(ours));
  expect(Object.fromEntries(Object.keys(ours).map((text, i) => [text, theirs[i]]))).toEqual(ours);
});
