/*
 * Makes dist/, the package that is published: compiled modules, declarations, and a package.json that points to them. The package.json here points
 * to the sources, so that the workspace runs without a build; hence it is private and dist/ is what `npm publish` is given. A folder given as parameter
 * is made in its place.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.resolve(process.argv[2] ?? path.join(here, 'dist'));
rmSync(dist, { recursive: true, force: true });

const tsc = path.join(path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
execFileSync(process.execPath, [tsc, '-p', path.join(here, 'tsconfig.build.json'), '--outDir', dist], {
  stdio: 'inherit',
});

// The compiler rewrites the endings of imports in modules, but not in declarations.
for (const name of readdirSync(dist).filter((file) => file.endsWith('.d.ts'))) {
  const file = path.join(dist, name);
  writeFileSync(file, readFileSync(file, 'utf8').replace(/(from '\.\/[\w-]+)\.ts'/g, "$1.js'"));
}

const {
  private: _private,
  scripts: _scripts,
  ...manifest
} = JSON.parse(readFileSync(path.join(here, 'package.json'), 'utf8'));
const published = {
  ...manifest,
  exports: { '.': { types: './index.d.ts', default: './index.js' } },
  types: './index.d.ts',
  files: ['*.js', '*.d.ts'],
};
writeFileSync(path.join(dist, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
copyFileSync(path.join(here, 'README.md'), path.join(dist, 'README.md'));
for (const root of [here, path.join(here, '../..')])
  if (existsSync(path.join(root, 'LICENSE'))) copyFileSync(path.join(root, 'LICENSE'), path.join(dist, 'LICENSE'));
