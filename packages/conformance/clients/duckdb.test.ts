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

test('DuckDB reads and writes Parquet by its S3 settings', { timeout: 5 * 60_000 }, async () => {
  assert.equal((await send(rig.server.endpoint, 'PUT', '/duck')).status, 200);
  const suite = path.join(import.meta.dirname, 'duckdb_suite.py');
  await rig.run(python('python-duckdb-1').python, [suite, rig.server.endpoint]);
  const file = await send(rig.server.endpoint, 'GET', '/duck/made.parquet');
  assert.equal(file.body.toString('latin1', 0, 4), 'PAR1');
});
