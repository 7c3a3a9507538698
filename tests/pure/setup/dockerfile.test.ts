import { describe, expect, it } from 'vitest';
import { parseDockerfile } from '../../nested/dockerfile.js';

describe('parseDockerfile', () => {
  it('reads what ours uses', () => {
    const text = `# comment
ARG BASE=node:20-bookworm-slim
FROM \${BASE}
ARG NPM_CONFIG_REGISTRY
WORKDIR /opt/it

COPY . .
RUN make \\
    all && make install
ENTRYPOINT ["it", "-v"]
`;
    expect(parseDockerfile(text)).toEqual({
      base: 'node:20-bookworm-slim',
      steps: [
        { kind: 'workdir', directory: '/opt/it' },
        { kind: 'copy-all' },
        { kind: 'run', command: 'make all && make install' },
      ],
      entrypoint: ['it', '-v'],
    });
  });

  it.each(['USER nobody', 'COPY a b', 'RUN ["make"]', 'ADD x y', 'nonsense'])('refuses %s', (line) => {
    expect(() => parseDockerfile(`FROM x\n${line}\n`)).toThrow(line);
  });
});
