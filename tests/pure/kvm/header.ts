/** What the C compiler says about <linux/kvm.h>: sizes, offsets, values. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const INCLUDES = '#include <stddef.h>\n#include <stdio.h>\n#include <linux/kvm.h>\n#include <asm/kvm_para.h>\n';

/**
 * Compiles a program that prints the value of each C expression and runs it.
 * An expression that is a macro's name which the header does not define gives undefined.
 */
export function evaluate(expressions: readonly string[]): Map<string, bigint | undefined> {
  const lines = expressions.map((text, i) => {
    const print = `printf("${i} %llu\\n", (unsigned long long)(${text}));`;
    return /^[A-Z_0-9]+$/.test(text) ? `#ifdef ${text}\n${print}\n#endif` : print;
  });
  const output = compileAndRun(`${INCLUDES}int main(void) {\n${lines.join('\n')}\nreturn 0;\n}\n`);
  const values = new Map<string, bigint | undefined>(expressions.map((text) => [text, undefined]));
  for (const line of output.trim().split('\n')) {
    const [index, value] = line.split(' ');
    values.set(expressions[Number(index)] ?? '', BigInt(value ?? ''));
  }
  return values;
}

function compileAndRun(source: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'vmlaunch-abi-'));
  try {
    const file = join(directory, 'probe.c');
    const program = join(directory, 'probe');
    writeFileSync(file, source);
    execFileSync('gcc', ['-w', '-o', program, file]);
    return execFileSync(program, { encoding: 'utf8' });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The names of the macros that the headers define, by prefix. */
export function macros(prefix: string): string[] {
  const output = execFileSync('gcc', ['-E', '-dM', '-'], { input: INCLUDES, encoding: 'utf8', maxBuffer: 1 << 24 });
  return [...output.matchAll(/^#define ([A-Z_0-9]+) /gm)]
    .map((match) => match[1] ?? '')
    .filter((name) => name.startsWith(prefix));
}
