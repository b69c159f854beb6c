/* The suite against a server of its own: every case is as documented, or differs as docs/s3-compatibility.md says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { cases } from './cases.ts';
import { differences } from './differences.ts';
import { Difference } from './expect.ts';
import { type OwnStore, startOwn } from './own.ts';
import { missing, runCases } from './runner.ts';
import { Run, Steps } from './steps.ts';

let own: OwnStore;
let run: Run;

const titleOf = ({ area, name }: { area: string; name: string }): string => `${area}: ${name}`;

before(async () => {
  own = await startOwn();
  run = new Run(own.store);
});
after(() => own.stop());

test('the suite: no two cases have one title, and there are enough of them', () => {
  const titles = cases.map(titleOf);
  assert.deepEqual(
    titles.filter((title, at) => titles.indexOf(title) < at),
    [],
    'give each case a title of its own',
  );
  assert.ok(cases.length >= 1200, `${cases.length} cases`);
});

test('differences: each is of a case, and said in docs/s3-compatibility.md', () => {
  const titles = new Set(cases.map(titleOf));
  const page = readFileSync(path.resolve(import.meta.dirname, '../../../docs/s3-compatibility.md'), 'utf8');
  const rows = new Set(
    [...page.slice(page.indexOf('## Differences')).matchAll(/^\| (.+?) \|/gm)].map(([, cell]) => cell),
  );
  for (const [title, row] of Object.entries(differences)) {
    assert.ok(titles.has(title), `no case is called "${title}": name it anew or take it out of differences.ts`);
    assert.ok(rows.has(row), `docs/s3-compatibility.md has no row "${row}" below Differences: add it there`);
  }
});

for (const [what, status, most] of [
  ['says yes to everything', 200, 50],
  ['finds nothing', 404, 5],
  ['refuses everything', 403, 5],
] as const)
  test(`the suite: a store that ${what} is found out by nearly every case`, async () => {
    const yes = createServer((request, response) => {
      request.resume().on('end', () => response.writeHead(status).end());
    });
    await new Promise<void>((resolve) => yes.listen(0, '127.0.0.1', resolve));
    const { port } = yes.address() as { port: number };
    const results = await runCases(cases, { ...run.store, url: `http://127.0.0.1:${port}` }, 8, () => undefined);
    const passed = results.filter(({ outcome }) => outcome === 'passed').map(titleOf);
    yes.close().closeAllConnections();
    assert.ok(passed.length <= most, `${passed.length} cases can hardly fail:\n${passed.join('\n')}`);
  });

describe('S3 by its documentation', { concurrency: 8 }, () => {
  for (const one of cases) {
    const title = titleOf(one);
    test(title, async (t) => {
      if (missing(one, run.store) !== undefined) return t.skip(`needs --${missing(one, run.store)}`);
      const failure = await one.run(new Steps(run)).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure !== undefined && !(failure instanceof Difference)) throw failure;
      if (Object.hasOwn(differences, title))
        return assert.ok(
          failure,
          'this is as documented now: take it out of differences.ts and docs/s3-compatibility.md',
        );
      assert.equal(failure?.message, undefined, one.source);
    });
  }
});
