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
  assert.throws(
    () => loadConfig({ regoin: 'x' }, {}),
    /^ConfigError: unknown option --regoin: did you mean --region\?$/,
  );
  assert.throws(() => loadConfig({ scrubDay: '7' }, {}), /unknown option --scrub-day: did you mean --scrub-days\?/);
  assert.throws(() => loadConfig({}, { DSOM_ADRESS: 'x' }), /DSOM_ADRESS: did you mean DSOM_ADDRESS\?/);
  assert.throws(
    () => loadConfig({ compression: 'zstd' }, {}),
    /unknown option --compression: `dsom server --help` lists those that there are$/,
  );
});

test('bad values name the setting', () => {
  const says = (flags: Record<string, unknown>, environment: Record<string, string>, text: RegExp) =>
    assert.throws(
      () => loadConfig(flags, environment),
      (cause) => cause instanceof ConfigError && text.test(cause.message),
    );
  for (const workers of ['0', 'abc', '1.5', '65'])
    says({ workers }, {}, /^--workers: must be a whole number from 1 to 64$/);
  says({}, { DSOM_WORKERS: 'x' }, /^DSOM_WORKERS: must be a whole number/);
  says({ scrubDays: '-1' }, {}, /^--scrub-days: must be a number of days above 0/);
  says({ region: 'US East' }, {}, /^--region: must be 1 to 32 lower-case letters/);
  says({ cacheBytes: 'many' }, {}, /^--cache-bytes: "many" is not a size: write it like 64MiB$/);
  says({ metricsPublic: 'maybe' }, {}, /^--metrics-public: must be true or false$/);
  says({ rootAccessKeyId: 'abc' }, {}, /both/);
  says({ rootSecretAccessKey: 'short' }, {}, /^--root-secret-access-key: must have 8 to 128 characters$/);
  says({ address: ['127.0.0.1:1', '127.0.0.1:2'] }, {}, /^--address is given 2 times .*takes one value$/);
  says({ address: true }, {}, /^--address needs a value: /);
  says({ config: '/none/such.json' }, {}, /cannot be read: ENOENT.*Give another --config/);
  const folder = mkdtempSync(path.join(tmpdir(), 'dsom-config-'));
  const config = path.join(folder, 'dsom.json');
  writeFileSync(config, '{"data": 5}');
  says({ config }, {}, /^"data" in .*dsom\.json: must be a text, or a list of texts/);
  writeFileSync(config, '{bad');
  says({ config }, {}, /dsom\.json is not JSON: /);
  rmSync(folder, { recursive: true });
});

test('origins are what browsers send, and nothing near it', () => {
  const origins = ['https://app.example', 'http://127.0.0.1:8080', 'http://[::1]:8080', '*'];
  assert.deepEqual(loadConfig({ allowOrigin: origins }, {}).allowOrigin, origins);
  assert.deepEqual(loadConfig({}, { DSOM_ALLOW_ORIGIN: origins.join(', ') }).allowOrigin, origins);
  assert.deepEqual(loadConfig({}, {}).allowOrigin, []);
  for (const bad of [
    'https://app.example/',
    'https://App.example',
    'https://app.example:443',
    'app.example',
    'https://*.app.example',
    'null',
    'file:///',
  ])
    assert.throws(() => loadConfig({ allowOrigin: bad }, {}), /--allow-origin.*is not an origin: write it like/, bad);
  const many = Array.from({ length: 101 }, (_, i) => `http://h${i}`);
  assert.throws(() => loadConfig({ allowOrigin: many }, {}), /--allow-origin/);
});

test('websites have names of their own', () => {
  const given = loadConfig(
    { websiteDomain: 'site.example, b.example' },
    { DSOM_WEBSITE_HOST: 'www.own.example,*.c.example' },
  );
  assert.deepEqual(given.websiteDomain, ['site.example', 'b.example']);
  assert.deepEqual(given.websiteHost, ['www.own.example', '*.c.example']);
  for (const bad of [
    'Site.example',
    'site.example:80',
    'http://site.example',
    '.example',
    'a..b',
    '*.site.example',
    '*',
  ])
    assert.throws(() => loadConfig({ websiteDomain: bad }, {}), /--website-domain.*is not a name: write it like/, bad);
  for (const bad of ['*', '*.', 'a.*.example', 'a_b.example'])
    assert.throws(() => loadConfig({ websiteHost: bad }, {}), /--website-host.*is not a name: write it like/, bad);
  assert.throws(
    () => loadConfig({ domain: 's3.example', websiteDomain: 's3.example' }, {}),
    /s3\.example is given as --domain and as --website-domain: buckets below it/,
  );
});

test('addresses', () => {
  assert.deepEqual(parseAddress('127.0.0.1:9000'), { host: '127.0.0.1', port: 9000 });
  assert.deepEqual(parseAddress('[::1]:9000'), { host: '::1', port: 9000 });
  assert.deepEqual(parseAddress(':9000'), { host: '0.0.0.0', port: 9000 });
  for (const bad of ['host', 'host:99999', 'a:b:1']) assert.throws(() => parseAddress(bad), ConfigError);
});

test('settings of TLS fit together, and proxies are addresses or networks', () => {
  const says = (flags: Record<string, unknown>, text: RegExp) =>
    assert.throws(() => loadConfig(flags, {}), { name: 'ConfigError', message: text });
  const files = { tlsCertificate: 'a.pem', tlsKey: 'a.key' };
  const config = loadConfig({ ...files, trustedProxy: ['10.0.0.7', '10.0.0.0/8', 'fd00::/8'] }, {});
  assert.deepEqual([config.tlsCertificate, config.tlsKey, config.tlsMin], [['a.pem'], ['a.key'], '1.2']);
  says({ tlsCertificate: 'a.pem' }, /1 --tls-certificate and 0 --tls-key .*give each certificate its key/);
  says({ ...files, tlsKey: ['a.key', 'b.key'] }, /1 --tls-certificate and 2 --tls-key/);
  says({ tlsClientAuthority: 'ca.pem' }, /^--tls-client-authority is of no use without --tls-certificate/);
  says({ tlsRedirectAddress: ':80' }, /^--tls-redirect-address is of no use without --tls-certificate/);
  for (const tlsMin of ['1.1', '1', 'TLSv1.2']) says({ ...files, tlsMin }, /^--tls-min: must be 1\.2 or 1\.3$/);
  for (const wrong of [
    '10.0.0.0/33',
    'proxy.example',
    '10.0.0',
    '::1/129',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    '::ffff:10.0.0.0/104',
  ])
    says({ trustedProxy: wrong }, /is no address and no network: write it like/);
});
