/**
 * The direction of imports in src/: down only. A layer imports itself, the layers named here and src/errors.ts;
 * everything else in src/ is refused. tests/checks.test.ts runs these rules, and proves that each of them can fail.
 */
const ALLOWED = {
  kvm: [],
  memory: ['kvm'],
  devices: ['memory/struct.ts'],
  boot: ['memory', 'devices'],
  machine: ['kvm', 'memory', 'devices', 'boot', 'code-cache.ts'],
  setup: ['boot'],
  trace: ['kvm', 'memory', 'devices', 'boot', 'machine'],
  bench: ['kvm', 'memory', 'devices', 'boot', 'machine', 'trace/html'],
  host: ['kvm', 'memory', 'devices', 'boot', 'machine', 'setup'],
};

/** A directory, or one file where the name has an ending. */
const place = (name) => (name.endsWith('.ts') ? `^src/${name.replace('.', '\\.')}$` : `^src/${name}/`);

const layerRules = Object.entries(ALLOWED).map(([layer, allowed]) => ({
  name: `${layer}-imports-down`,
  comment: `src/${layer}/ may import only ${['itself', 'errors.ts', ...allowed].join(', ')}`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: '^src/', pathNot: [`^src/${layer}/`, '^src/errors\\.ts$', ...allowed.map(place)] },
}));

// biome-ignore lint/style/noDefaultExport: dependency-cruiser reads the default export.
export default {
  forbidden: [
    ...layerRules,
    {
      name: 'errors-imports-nothing',
      comment: 'src/errors.ts may be imported anywhere, so it imports nothing',
      severity: 'error',
      from: { path: '^src/errors\\.ts$' },
      to: {},
    },
    {
      name: 'cli-is-the-top',
      comment: 'only the commands themselves import from src/cli/',
      severity: 'error',
      from: { pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'index-is-the-face',
      comment: 'src/index.ts is for programs outside and for the commands; nothing below looks through it',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: '^src/index\\.ts$' },
    },
    {
      name: 'devices-are-pure',
      comment: 'a device needs nothing but an array: no package, no module of Node.js',
      severity: 'error',
      from: { path: '^src/devices/' },
      to: { pathNot: '^src/' },
    },
    {
      name: 'one-door-to-the-addon',
      comment: 'the addon is loaded by src/kvm/native.ts alone',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/kvm/native\\.ts$' },
      to: { path: 'bindings' },
    },
    {
      name: 'bootstrap-is-dependency-free',
      comment: 'src/bootstrap.mjs runs before anything is installed or built',
      severity: 'error',
      from: { path: '^src/bootstrap\\.mjs$' },
      to: { dependencyTypesNot: ['core'], pathNot: '^dist/' },
    },
    {
      name: 'no-development-packages',
      comment: 'what is published may not import a development dependency',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'resolvable',
      comment: 'an import that cannot be found escapes every other rule',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^(\\.\\./)*dist/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
  },
};
