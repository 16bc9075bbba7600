// Owns the lint rules: typescript-eslint's strictest set, plus the project's own borders inside src/.
import tseslint from 'typescript-eslint';

// Each third-party runtime package is known to exactly one file, which translates its errors and its quirks.
const packageOwners = {
  envalid: 'src/config/load.ts',
  'generic-pool': 'src/pool/slot-pool.ts',
  imapflow: 'src/upstream/dial.ts',
  'lru-cache': 'src/pool/credential-cache.ts',
  pino: 'src/log.ts',
  'prom-client': 'src/metrics/registry.ts',
};

// Durations come from a monotonic clock that can be injected. Files listed here need the wall clock to show it.
const wallClockFiles = ['src/log.ts'];

function restrictedImports(allowedPackage) {
  const packages = Object.entries(packageOwners).filter(([name]) => name !== allowedPackage);
  return [
    'error',
    {
      paths: [
        ...packages.map(([name, owner]) => ({ name, message: `Only ${owner} imports ${name}.` })),
        {
          name: 'node:process',
          importNames: ['env'],
          message: 'Only src/config/ reads the environment.',
        },
        ...(allowedPackage === 'prom-client'
          ? [
              {
                name: 'prom-client',
                importNames: ['register', 'globalRegistry'],
                message: 'Metrics live in a registry of our own, never in the default one.',
              },
            ]
          : []),
      ],
      patterns: packages.map(([name, owner]) => ({
        group: [`${name}/*`],
        message: `Only ${owner} imports ${name}.`,
      })),
    },
  ];
}

const noEnvironment = {
  object: 'process',
  property: 'env',
  message: 'Only src/config/ reads the environment.',
};
const noWallClock = {
  object: 'Date',
  property: 'now',
  message: 'Durations come from a monotonic clock that can be injected.',
};
const noDefaultExport = [
  { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
  { selector: 'ExportSpecifier[exported.name="default"]', message: 'Named exports only.' },
];
const noDefaultRegistry = {
  selector:
    'NewExpression[callee.name=/^(Counter|Gauge|Histogram|Summary)$/]:not(:has(Property[key.name="registers"]))',
  message: 'Name the registry: without `registers` a metric lands in the default one.',
};

const nodeGlobals = Object.fromEntries(
  [
    'process',
    'console',
    'Buffer',
    'URL',
    'setTimeout',
    'clearTimeout',
    'setImmediate',
    'performance',
    'setInterval',
    'clearInterval',
    'fetch',
  ].map((name) => [name, 'readonly']),
);

export default tseslint.config(
  { ignores: ['node_modules/', 'dist/', 'coverage/', 'reports/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      // A number or a boolean in a template literal has one obvious rendering; objects stay forbidden.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // `() => socket.destroy()` as a callback reads better than a block around it.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // An unused argument that keeps a signature readable starts with an underscore.
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', caughtErrors: 'all', caughtErrorsIgnorePattern: '^_' },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-imports': restrictedImports(undefined),
      'no-restricted-properties': ['error', noEnvironment, noWallClock],
      'no-restricted-syntax': ['error', ...noDefaultExport],
    },
  },
  ...Object.entries(packageOwners).map(([name, owner]) => ({
    files: [owner],
    rules: { 'no-restricted-imports': restrictedImports(name) },
  })),
  {
    files: ['src/metrics/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...noDefaultExport, noDefaultRegistry] },
  },
  { files: ['src/config/**/*.ts'], rules: { 'no-restricted-properties': ['error', noWallClock] } },
  { files: wallClockFiles, rules: { 'no-restricted-properties': ['error', noEnvironment] } },
  // main.ts speaks to the terminal before there is a logger (--help, --version, a configuration error); tests
  // print why they are skipped.
  { files: ['src/main.ts', 'test/support/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['test/**/*.ts'],
    rules: {
      // An assertion that a thing is there fails the test just as well as a check would.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Scripted servers implement asynchronous interfaces with nothing to wait for.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    languageOptions: { globals: nodeGlobals },
    rules: { 'no-undef': 'error', 'no-unused-vars': ['error', { argsIgnorePattern: '^_' }], eqeqeq: 'error' },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: { sourceType: 'commonjs', globals: { module: 'writable', require: 'readonly' } },
  },
);
