/** As much of a Dockerfile as ours uses; anything else is an error, so that nothing is left out unseen. */
export type DockerStep =
  | { readonly kind: 'workdir'; readonly directory: string }
  | { readonly kind: 'copy-all' }
  | { readonly kind: 'run'; readonly command: string };

export interface Dockerfile {
  readonly base: string;
  /** What happens in the image, in order. */
  readonly steps: readonly DockerStep[];
  readonly entrypoint: readonly string[];
}

/**
 * Reads a Dockerfile: FROM, ARG, WORKDIR, `COPY . .`, RUN in shell form and ENTRYPOINT in exec form.
 * @throws Error for any other instruction
 */
export function parseDockerfile(text: string): Dockerfile {
  const args = new Map<string, string>();
  const steps: DockerStep[] = [];
  let base = '';
  let entrypoint: string[] = [];
  for (const instruction of instructions(text)) {
    const [, name = '', rest = ''] = /^(\S+)\s+(.*)$/s.exec(instruction) ?? [];
    if (name === 'FROM') base = rest.replace(/\$\{(\w+)\}/g, (_, arg: string) => args.get(arg) ?? '');
    else if (name === 'ARG') args.set(...argument(rest));
    else if (name === 'WORKDIR') steps.push({ kind: 'workdir', directory: rest });
    else if (name === 'COPY' && /^\.\s+\.$/.test(rest)) steps.push({ kind: 'copy-all' });
    else if (name === 'RUN' && !/^(\[|--)/.test(rest)) steps.push({ kind: 'run', command: rest });
    else if (name === 'ENTRYPOINT') entrypoint = JSON.parse(rest);
    else throw new Error(`this Dockerfile has an instruction that the test does not know: ${instruction}`);
  }
  return { base, steps, entrypoint };
}

function argument(rest: string): [string, string] {
  const [name = '', value = ''] = rest.split('=', 2);
  return [name, value];
}

/** One string an instruction: lines that end with a backslash go on, comments and empty lines are none. */
function instructions(text: string): string[] {
  const lines = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line));
  return lines
    .join('\n')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter(Boolean);
}
