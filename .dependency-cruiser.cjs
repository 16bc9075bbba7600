// Owns who may import whom. One row per folder and per top-level file of src/ that imports some of the others; every import
// that a row doesn't list is an error, and type-only imports count like all others.

// A `types` target may be reached by `import type` only; an `any` target by every import.
const ERRORS = '^src/errors\\.ts$';
const IDENTITY = '^src/identity\\.ts$';
const LOOPBACK = '^src/loopback\\.ts$';
const CONNECTION = '^src/upstream/connection\\.ts$';
const LEASE = '^src/pool/lease\\.ts$';

/** @type {Record<string, { any?: string[], types?: string[] }>} */
const table = {
  wire: { any: [ERRORS] },
  config: { any: [ERRORS] },
  net: { any: [ERRORS], types: ['^src/wire/'] },
  upstream: { any: ['^src/wire/', '^src/net/', ERRORS, IDENTITY] },
  pool: { any: [ERRORS, IDENTITY, LOOPBACK], types: ['^src/upstream/', '^src/wire/enable\\.ts$'] },
  limits: { any: [ERRORS, IDENTITY] },
  ports: { any: [ERRORS, LOOPBACK] },
  relay: { any: ['^src/wire/', '^src/net/', ERRORS], types: [CONNECTION, LEASE] },
  downstream: {
    any: ['^src/wire/', '^src/net/', '^src/relay/', '^src/limits/', ERRORS, IDENTITY],
    types: [LEASE],
  },
  doctor: {
    any: [
      '^src/upstream/',
      '^src/wire/',
      '^src/net/',
      '^src/ports/',
      '^src/client-tls\\.ts$',
      '^src/dial-options\\.ts$',
      '^src/config/warnings\\.ts$',
      ERRORS,
      IDENTITY,
    ],
    types: ['^src/config/'],
  },
  metrics: { types: ['^src/'] },
  admin: { types: ['^src/'] },
};

/** @type {typeof table} */
const topLevelTable = {
  'dial-options': {
    any: ['^src/config/tls-files\\.ts$'],
    types: ['^src/config/', '^src/upstream/dial\\.ts$'],
  },
  'client-tls': {
    any: ['^src/config/tls-files\\.ts$', '^src/net/server-tls\\.ts$'],
    types: ['^src/config/'],
  },
  'assemble-pool': {
    any: ['^src/pool/', '^src/upstream/(enable|reset)\\.ts$'],
    types: ['^src/config/'],
  },
  events: { types: ['^src/'] },
};

/** One row's rules; `own` is what the row is about, as a pattern. */
function rulesOf(name, own, { any = [], types = [] }) {
  const rules = [
    {
      name: `${name}-imports`,
      comment: `src/${name} may import: ${[...any, ...types.map((path) => `${path} (types)`)].join(', ')}`,
      severity: 'error',
      from: { path: own },
      to: { path: '^src/', pathNot: [own, ...any, ...types] },
    },
  ];
  if (types.length > 0) {
    rules.push({
      name: `${name}-imports-types-only`,
      comment: `src/${name} may reach these by \`import type\` only: ${types.join(', ')}`,
      severity: 'error',
      from: { path: own },
      to: { path: types, pathNot: [own, ...any], dependencyTypesNot: ['type-only'] },
    });
  }
  return rules;
}

const folders = Object.keys(table);
const tableRules = [
  ...folders.flatMap((name) => rulesOf(name, `^src/${name}/`, table[name])),
  ...Object.entries(topLevelTable).flatMap(([name, row]) => rulesOf(name, `^src/${name}\\.ts$`, row)),
];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...tableRules,
    {
      name: 'leaves-import-nothing-of-ours',
      comment: 'errors.ts, identity.ts, log.ts, log-output.ts, loopback.ts and version.ts are leaves.',
      severity: 'error',
      from: { path: '^src/(errors|identity|log|log-output|loopback|version)\\.ts$' },
      to: { path: '^src/' },
    },
    {
      name: 'loggers-are-passed-in',
      comment: 'Only the top-level files import log.ts; everybody else reports events.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(app|events|main)\\.ts$' },
      to: { path: '^src/log(-output)?\\.ts$' },
    },
    {
      name: 'nobody-imports-the-top',
      comment:
        'app.ts sees everything and is seen by main.ts alone; assemble-pool.ts and events.ts are parts of it.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(app|main)\\.ts$' },
      to: { path: '^src/(app|assemble-pool|events|main|version)\\.ts$' },
    },
    {
      name: 'every-module-has-a-row',
      comment: 'A new folder or top-level file needs a row in this table first.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: `^src/((${folders.join('|')})/|(app|assemble-pool|client-tls|dial-options|events|main|version|errors|identity|log|log-output|loopback)\\.ts$)`,
      },
      to: {},
    },
    {
      name: 'wire-is-pure',
      comment: 'wire/ turns bytes into facts: no sockets, files, clocks or processes.',
      severity: 'error',
      from: { path: '^src/wire/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(buffer|string_decoder)$' },
    },
    {
      name: 'no-sockets-here',
      comment: 'These never touch a socket; they are handed what they need.',
      severity: 'error',
      from: { path: '^src/(pool|metrics)/' },
      to: { path: '^(node:)?(net|tls|dgram|dns|http|https)(/|$)', dependencyTypes: ['core'] },
    },
    {
      name: 'src-stands-alone',
      comment: 'The product never imports its tests, benchmarks or scripts.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|demo|scripts|lab|deploy)/' },
    },
    {
      name: 'no-dev-dependency-in-src',
      comment: 'What ships is listed in dependencies.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-cycles',
      comment: 'A cycle of imports, type-only ones included, means that two files are one.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolvable',
      comment: 'Every import leads somewhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
    },
  },
};
