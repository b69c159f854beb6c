import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openModules, rowOf, rows } from './rooms.ts';
import { importsOf, isTest, root, sources, src } from './source.ts';

const files = sources(src);
const roomOf = (name: string) => name.slice('packages/server/src/'.length).split('/')[0] as string;
/** Where a relative import leads, relative to the repository. */
const resolved = (from: string, specifier: string) => path.posix.join(path.posix.dirname(from), specifier);

test('every folder of src is a room with a row, a door and a README', () => {
  for (const entry of readdirSync(src, { withFileTypes: true })) {
    if (!entry.isDirectory()) {
      assert.ok(
        openModules.includes(entry.name),
        `src/${entry.name} belongs into a room; only ${openModules.join(', ')} stand beside them`,
      );
      continue;
    }
    assert.ok(rowOf(entry.name) >= 0, `the room ${entry.name}/ has no row in tidy/rooms.ts`);
    for (const needed of ['index.ts', 'README.md'])
      assert.ok(existsSync(path.join(src, entry.name, needed)), `the room ${entry.name}/ has no ${needed}`);
  }
  for (const room of rows.flat())
    assert.ok(existsSync(path.join(src, room)), `tidy/rooms.ts names ${room}, which does not exist`);
});

test('rooms import each other only through the door, and only in order', () => {
  const wrong: string[] = [];
  const sideways = new Map<string, Set<string>>();
  for (const file of files) {
    const room = roomOf(file.name);
    if (openModules.includes(room)) continue;
    for (const { specifier } of importsOf(file)) {
      if (!specifier.startsWith('.')) continue;
      const target = resolved(file.name, specifier);
      if (!target.startsWith('packages/server/src/')) {
        if (!isTest(file.name)) wrong.push(`${file.name} imports ${specifier}, outside src`);
        continue;
      }
      const other = roomOf(target);
      if (other === room || openModules.includes(other)) continue;
      const door = target === `packages/server/src/${other}/index.ts`;
      if (!door && !isTest(file.name)) wrong.push(`${file.name} imports ${specifier}: go through ${other}/index.ts`);
      if (isTest(file.name)) continue;
      if (rowOf(other) < rowOf(room)) wrong.push(`${file.name} imports ${other}, which comes before ${room}`);
      if (rowOf(other) === rowOf(room)) sideways.set(room, (sideways.get(room) ?? new Set()).add(other));
    }
  }
  for (const start of sideways.keys()) {
    const seen = new Set<string>();
    const open = [...(sideways.get(start) ?? [])];
    for (let room = open.pop(); room !== undefined; room = open.pop()) {
      if (room === start) wrong.push(`${start} imports itself in a circle of rooms of its row`);
      if (seen.has(room)) continue;
      seen.add(room);
      open.push(...(sideways.get(room) ?? []));
    }
  }
  assert.deepEqual(wrong, []);
});

test('a thread that serves loads no schemas and no client before somebody asks for them', () => {
  const byName = new Map(files.map((file) => [file.name, file]));
  const loaded = new Set(['packages/server/src/daemon/worker.ts']);
  const packages = new Set<string>();
  for (const name of loaded) {
    const file = byName.get(name);
    assert.ok(file, `${name} is imported and does not exist`);
    for (const { specifier, typeOnly, deferred } of importsOf(file)) {
      if (typeOnly || deferred) continue;
      if (specifier.startsWith('.')) loaded.add(resolved(name, specifier));
      else packages.add(specifier);
    }
  }
  assert.ok(packages.has('lmdb'), 'the imports are followed');
  for (const heavy of ['zod', '@dsom/sdk', 'commander'])
    assert.ok(
      !packages.has(heavy),
      `daemon/worker.ts leads to ${heavy}: import it where it is first needed (docs/decisions/0009)`,
    );
});

test('metadata/machine is pure: nothing asynchronous, nothing from node', () => {
  for (const file of files.filter((f) => f.name.includes('/metadata/machine/') && !isTest(f.name))) {
    for (const { specifier } of importsOf(file))
      assert.ok(!specifier.startsWith('node:'), `${file.name} imports ${specifier}`);
    const code = withoutComments(file.text);
    for (const word of ['async', 'await', 'Promise', 'Date', 'performance'])
      assert.ok(
        !new RegExp(`\\b${word}\\b`).test(code),
        `${file.name} uses ${word}: the machine is a synchronous function of its input`,
      );
  }
});

test('clock, timers and entropy are read in host/ only', () => {
  const banned =
    /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\b(setTimeout|setInterval|setImmediate)\(|\bprocess\.nextTick\b|\brandom(Bytes|UUID|FillSync|Int)\b|\bperformance\.now\b/;
  for (const file of files) {
    if (file.name.startsWith('packages/server/src/host/') || isTest(file.name)) continue;
    const found = banned.exec(withoutComments(file.text));
    assert.ok(!found, `${file.name} uses ${found?.[0]}: take it from the Host that the room is given`);
  }
});

test('the conformance package does not import the server', () => {
  for (const file of sources(path.join(root, 'packages/conformance')))
    for (const { specifier } of importsOf(file))
      assert.ok(
        !specifier.includes('server/') && specifier !== '@dsom/server',
        `${file.name} imports ${specifier}: conformance is black box, by URL`,
      );
});

test('files are small and have names that say something', () => {
  for (const file of sources(path.join(root, 'packages'))) {
    const lines = file.text.split('\n').length;
    assert.ok(lines <= 401, `${file.name} has ${lines} lines: split it (400 at most)`);
    assert.ok(
      !/(^|\/)(utils?|helpers?|common|manager|misc)(\.|\/|-)/.test(file.name),
      `${file.name}: name it after what it does`,
    );
  }
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
}
