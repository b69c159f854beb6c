import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { ConfigError, loadConfig, parseAddress } from './config.ts';

test('flags weigh more than the environment, which weighs more than the file', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'dsom-config-'));
  const file = path.join(folder, 'dsom.json');
  writeFileSync(file, '{"region": "from-file", "workers": 3, "cacheBytes": "1MiB"}');
  const config = loadConfig(
    { region: 'from-flag', config: file },
    { DSOM_WORKERS: '5', DSOM_REGION: 'from-env', PATH: '/bin' },
  );
  assert.equal(config.region, 'from-flag');
  assert.equal(config.workers, 5);
  assert.equal(config.cacheBytes, 1024 * 1024);
  rmSync(folder, { recursive: true });
});

test('unknown names are refused with the nearest right one', () => {
  assert.throws(() => loadConfig({ regoin: 'x' }, {}), /unknown option "regoin": did you mean "region"/);
  assert.throws(() => loadConfig({}, { DSOM_ADRESS: 'x' }), /did you mean "DSOM_ADDRESS"/);
});

test('bad values name the setting', () => {
  assert.throws(
    () => loadConfig({ workers: '0' }, {}),
    (cause) => cause instanceof ConfigError && /workers/.test(cause.message),
  );
  assert.throws(() => loadConfig({ cacheBytes: 'many' }, {}), /write it like 64MiB/);
  assert.throws(() => loadConfig({ rootAccessKeyId: 'abc' }, {}), /both/);
});

test('addresses', () => {
  assert.deepEqual(parseAddress('127.0.0.1:9000'), { host: '127.0.0.1', port: 9000 });
  assert.deepEqual(parseAddress('[::1]:9000'), { host: '::1', port: 9000 });
  assert.deepEqual(parseAddress(':9000'), { host: '0.0.0.0', port: 9000 });
  for (const bad of ['host', 'host:99999', 'a:b:1']) assert.throws(() => parseAddress(bad), ConfigError);
});
