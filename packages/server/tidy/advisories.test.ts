import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { advisories } from './advisories.ts';
import { isTest, root, sources } from './source.ts';

/* Holes of other stores each have a test that is named by their advisory; docs/security-advisories.md says which, and is made here. */

const page = path.join(root, 'docs/security-advisories.md');
const id = /\b(?:CVE-\d{4}-\d{4,}|GHSA-[a-z0-9]{4}|SeaweedFS-\d+)\b/g;
const title = /\b(?:it|test|describe)\(\s*(['"`])((?:\\.|(?!\1).)*)\1/g;

/** Files with a test that is named by each advisory. */
function testsById(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { name, text } of sources(path.join(root, 'packages'))) {
    if (!isTest(name)) continue;
    for (const [, , words = ''] of text.matchAll(title))
      for (const [one] of words.matchAll(id)) {
        const files = found.get(one) ?? [];
        if (!files.includes(name)) files.push(name);
        found.set(one, files);
      }
  }
  return found;
}

const tests = testsById();
const known = Object.values(advisories).flatMap((store) => Object.entries(store));

test('holes of other stores that touch S3 or IAM have a test each, named by its advisory: 90 at least', () => {
  const untested = known.filter(([one]) => !tests.has(one)).map(([one]) => `${one}: no test is named by it`);
  const unknown = [...tests.keys()]
    .filter((one) => !known.some(([two]) => two === one))
    .map((one) => `${one}: say in tidy/advisories.ts what was wrong`);
  assert.deepEqual([...untested, ...unknown], []);
  assert.ok(tests.size >= 90, `${tests.size} advisories have a test`);
});

test('docs/security-advisories.md says what they are', () => {
  const short = (name: string) => name.replace(/^.*packages\//, '');
  const parts = Object.entries(advisories).map(([store, holes]) => {
    const rows = Object.entries(holes).map(
      ([one, hole]) =>
        `| ${one} | ${hole} | ${(tests.get(one) ?? []).map((file) => `\`${short(file)}\``).join(', ')} |`,
    );
    return `## ${store[0]?.toUpperCase()}${store.slice(1)}\n\n| advisory | what was wrong there | tested in |\n|---|---|---|\n${rows.join('\n')}\n`;
  });
  const head = `# What broke elsewhere\n\nHoles of other stores, and of what they are made of, that touch S3 or IAM. Each of these ${known.length} has a test in DSOM that is named by its advisory (of GitHub’s, the first group of four) and tries just that; a\ntest fails when one has none. This page is made from the names of the tests: \`DSOM_ADVISORIES_SAVE=1 node --test packages/server/tidy/advisories.test.ts\`.\n`;
  const made = [head, ...parts].join('\n');
  if (process.env['DSOM_ADVISORIES_SAVE'] === '1') writeFileSync(page, made);
  assert.equal(
    readFileSync(page, 'utf8'),
    made,
    'run DSOM_ADVISORIES_SAVE=1 node --test packages/server/tidy/advisories.test.ts',
  );
});
