import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { send } from '../src/request.ts';
import { openRig, python, type Rig } from './rig.ts';

let rig: Rig;
before(async () => {
  rig = await openRig('duckdb');
});
after(() => rig?.close());

/** Its extension for S3 is a package of its own, which not every mirror of PyPI has. */
function installed(): string | undefined {
  try {
    return python('python-duckdb-1').python;
  } catch {
    return undefined;
  }
}

test('DuckDB reads and writes Parquet by its S3 settings', { timeout: 5 * 60_000 }, async (t) => {
  const program = installed();
  if (program === undefined)
    return t.skip('DuckDB and its httpfs extension cannot be installed here: pip says why above');
  assert.equal((await send(rig.server.endpoint, 'PUT', '/duck')).status, 200);
  const suite = path.join(import.meta.dirname, 'duckdb_suite.py');
  await rig.run(program, [suite, rig.server.endpoint]);
  const file = await send(rig.server.endpoint, 'GET', '/duck/made.parquet');
  assert.equal(file.body.toString('latin1', 0, 4), 'PAR1');
});
