import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { plants } from '../planted/plants.ts';
import { errorTable } from '../src/errors.ts';
import { limits } from '../src/limits.ts';
import { isTest, root, sources, src } from './source.ts';

const program = sources(src);
const everything = sources(`${root}/packages`);

test('every limit is used', () => {
  const code = program
    .filter((f) => !isTest(f.name) && !f.name.endsWith('limits.ts'))
    .map((f) => f.text)
    .join('\n');
  for (const key of Object.keys(limits))
    assert.ok(new RegExp(`limits\\.${key}\\b`).test(code), `limits.${key} bounds nothing: use it or delete it`);
});

test('every error code can be raised and is reached by a test', () => {
  const code = program
    .filter((f) => !isTest(f.name) && !f.name.endsWith('/errors.ts'))
    .map((f) => f.text)
    .join('\n');
  const tests = everything
    .filter((f) => isTest(f.name) && !f.name.includes('/tidy/'))
    .map((f) => f.text)
    .join('\n');
  const idle: string[] = [];
  for (const name of Object.keys(errorTable)) {
    if (!new RegExp(`['"]${name}['"]`).test(code)) idle.push(`no code raises ${name}: use it or delete it`);
    if (!new RegExp(`\\b${name}\\b`).test(tests)) idle.push(`no test reaches ${name}`);
  }
  assert.deepEqual(idle, []);
});

test('every planted bug finds its text, once', () => {
  const idle = plants.flatMap(({ name, file, find }) => {
    const found = readFileSync(path.join(root, 'packages/server', file), 'utf8').split(find).length - 1;
    return found === 1 ? [] : [`${name}: ${found} times in ${file}`];
  });
  assert.deepEqual(idle, [], 'write the text of the plant as it stands now');
});
