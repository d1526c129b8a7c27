import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

/** Which layer may import which. The tags stand in each project's package.json under `nx.tags`. */
const layers = [
  { sourceTag: 'layer:pure', onlyDependOnLibsWithTags: ['layer:pure'] },
  {
    sourceTag: 'scope:engine',
    onlyDependOnLibsWithTags: ['scope:errors', 'scope:tensor-stream', 'scope:downloads'],
  },
  {
    sourceTag: 'scope:models',
    onlyDependOnLibsWithTags: ['scope:errors', 'scope:tensor-stream', 'scope:downloads', 'scope:engine'],
  },
  {
    sourceTag: 'scope:emloc',
    onlyDependOnLibsWithTags: ['scope:errors', 'scope:tensor-stream', 'scope:engine', 'scope:models'],
  },
  { sourceTag: 'layer:work', onlyDependOnLibsWithTags: ['layer:pure'] },
  { sourceTag: 'layer:rpc', onlyDependOnLibsWithTags: ['scope:errors', 'layer:rpc'] },
  {
    sourceTag: 'layer:kit',
    onlyDependOnLibsWithTags: ['layer:pure', 'layer:core', 'layer:work', 'layer:rpc'],
  },
  {
    sourceTag: 'layer:service',
    onlyDependOnLibsWithTags: ['layer:pure', 'layer:core', 'layer:work', 'layer:rpc', 'layer:kit'],
  },
  {
    sourceTag: 'layer:tests',
    onlyDependOnLibsWithTags: [
      'layer:pure',
      'layer:work',
      'layer:rpc',
      'layer:kit',
      'layer:client',
      'layer:tests',
    ],
  },
  {
    sourceTag: 'layer:client',
    onlyDependOnLibsWithTags: ['layer:pure', 'layer:core', 'layer:work', 'layer:rpc'],
  },
];

const grpc = { group: ['@grpc/*'], message: 'Only libs/mesh knows gRPC; call it through @emloc/mesh.' };
const tensorflow = {
  group: ['@tensorflow/*', 'koffi'],
  message: 'Only libs/engine knows TensorFlow; call it through @emloc/engine.',
};
const telemetry = {
  group: ['@opentelemetry/*'],
  message: 'Telemetry is set up in libs/mesh; call it through @emloc/mesh.',
};
const restrict = (...patterns) => ({ 'no-restricted-imports': ['error', { patterns }] });

export default tseslint.config(
  { ignores: ['**/node_modules', '**/dist', '**/.nx', '**/gen/**', '**/coverage'] },
  ...tseslint.configs.recommended,
  {
    plugins: { '@nx': nx },
    languageOptions: { parserOptions: { sourceType: 'module' } },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        { allow: [], depConstraints: layers, enforceBuildableLibDependency: false },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      eqeqeq: ['error', 'smart'],
      ...restrict(grpc, tensorflow, telemetry),
    },
  },
  // Clients in other languages are run by what stands in tools/, outside of every project.
  {
    files: ['**/vitest.config.ts', 'clients/*/*.mjs', 'clients/*/tools/*.mjs'],
    rules: { '@nx/enforce-module-boundaries': 'off' },
  },
  { files: ['libs/engine/**'], rules: restrict(grpc, telemetry) },
  { files: ['libs/mesh/**'], rules: restrict(tensorflow) },
  { files: ['**/*.mjs'], languageOptions: { globals: { process: 'readonly', console: 'readonly' } } },
);
