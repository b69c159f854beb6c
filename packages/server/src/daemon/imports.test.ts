import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import './imports.ts';

const at = (name: string): Promise<unknown> => import(name);

test('a module is the same by the shorter way and by that of Node', async () => {
  const short = await at('./config.ts');
  assert.equal(short, await at(new URL('./config.ts', import.meta.url).href));
  assert.equal(await at('../host/index.ts'), await at(new URL('../host/index.ts', import.meta.url).href));
});

test('a module that is not there is named', async () => {
  await assert.rejects(at('./nowhere.ts'), /daemon\/nowhere\.ts/);
});

test('a server alone loads neither gRPC nor the client of HTTP that Node has', () => {
  const program = `
    await import('./imports.ts');
    await import('./server.ts');
    const { createRequire } = await import('node:module');
    const loaded = [...Object.keys(createRequire(import.meta.url).cache), ...process.moduleLoadList];
    console.log(JSON.stringify(loaded.filter((name) => /grpc-js|undici/.test(name))));`;
  const folder = import.meta.dirname;
  const args = ['--input-type=module-typescript', '--eval', program];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  assert.equal(execFileSync(process.execPath, args, { cwd: path.resolve(folder), env, encoding: 'utf8' }).trim(), '[]');
});
