import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { realHost } from '../host/index.ts';
import { until } from '../host/patience.support.ts';
import { freePorts } from '../host/ports.fixture.ts';
import { exitCode } from './exit.ts';
import { S3Connection } from './migrate/connection.ts';
import { bin, inherited, keys as rootKeys, type StartedServer, startServer } from './server.fixture.ts';
import { type RunOptions, runHere } from './stub.fixture.ts';

const keys = { DSOM_ACCESS_KEY_ID: rootKeys.accessKeyId, DSOM_SECRET_ACCESS_KEY: rootKeys.secretAccessKey };
let server: StartedServer;
let folder: string;
let endpoint: string;

const run = (parameters: readonly string[], options?: RunOptions) =>
  runHere(parameters, { HOME: folder, TZ: 'UTC', DSOM_ENDPOINT: endpoint, ...keys }, options);

before(async () => {
  server = await startServer('dsom-cli-server-');
  ({ folder, endpoint } = server);
});
after(() => server.stop());

test('a server that cannot start names the option and says what to do', async () => {
  const port = endpoint.slice(endpoint.lastIndexOf(':') + 1);
  const data = ['--data', path.join(folder, 'other')];
  const start = (parameters: readonly string[]) =>
    new Promise<{ code: number | null; said: string }>((resolve) => {
      const child = spawn(process.execPath, [bin, 'server', ...parameters], { env: { ...inherited, HOME: folder } });
      let said = '';
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text) => (said += text));
      child.once('close', (code) => resolve({ code, said }));
    });
  const table: [readonly string[], RegExp][] = [
    [['--scrub-day', '7', ...data], /unknown option --scrub-day: did you mean --scrub-days\?/],
    [['--address', ':1', '--address', ':2', ...data], /--address is given 2 times \(:1, :2\), and takes one value/],
    [['--address', `127.0.0.1:${port}`, ...data], /something else listens there: stop it, or give another --address/],
    [['--address', '192.0.2.1:9000', ...data], /no interface of this machine has that address: give one/],
    [['--address', '127.0.0.1:0', '--data', path.join(bin, 'data')], /cannot be made: .*give another --data/],
    [['--address', '127.0.0.1:0', '--data', folder], /is not a DSOM directory: give an empty one/],
    [['--address', '127.0.0.1:0', '--data', bin], /is a file: give a directory/],
  ];
  // File systems that make no directories must not be tried for ever.
  if (process.platform === 'linux')
    table.push([['--address', '127.0.0.1:0', '--data', '/proc/dsom'], /give another --data/]);
  for (const [parameters, text] of table) {
    const { code, said } = await start(parameters);
    assert.match(said, text);
    assert.equal(code, exitCode.usage, said);
    assert.doesNotMatch(said, / {4}at /, 'no stack for what is no bug');
  }
});

test('a bucket that is not there is named, whatever was asked of it', async () => {
  const file = path.join(folder, 'one');
  writeFileSync(file, 'one');
  for (const parameters of [
    ['du', 's3://nowhere'],
    ['ls', 's3://nowhere'],
    ['cp', file, 's3://nowhere/one'],
    ['cp', 's3://nowhere/one', folder],
    ['stat', 's3://nowhere'],
    ['rm', 's3://nowhere/one'],
  ]) {
    const { code, stderr } = await run(parameters);
    assert.deepEqual([code, /nowhere/.test(stderr)], [exitCode.notFound, true], `${parameters.join(' ')}: ${stderr}`);
  }
});

test('a named key is meant by the name that it was made with, too', async () => {
  const [made] = (await run(['kms', 'create', 'team/k1', '--json'])).rows;
  for (const key of ['team/k1', 'alias/team/k1', String(made?.['id']), String(made?.['arn'])])
    for (const [action, state] of [
      ['disable', 'disabled'],
      ['enable', 'enabled'],
    ] as const) {
      const { rows, stderr } = await run(['kms', action, key, '--json']);
      assert.deepEqual([rows[0]?.['id'], rows[0]?.['state']], [made?.['id'], state], stderr);
    }
  assert.equal((await run(['kms', 'rotate', 'nobody'])).code, exitCode.notFound);
});

test('a signal to a server that waits while it starts says how it ends, and ends it at the second time', async () => {
  const [port] = await freePorts(1);
  const parameters = [
    '--address',
    `127.0.0.1:${port}`,
    '--cluster-address',
    '127.0.0.1:0',
    '--data',
    path.join(folder, 'waiting'),
  ];
  const cluster = ['--cluster-name', 'main', '--etcd', 'http://127.0.0.1:1'];
  const child = spawn(process.execPath, [bin, 'server', ...parameters, ...cluster], {
    env: { ...inherited, HOME: folder },
  });
  const ended = new Promise((resolve) => child.once('close', (_, signal) => resolve(signal)));
  const said = (pattern: RegExp): Promise<void> =>
    new Promise((resolve) => {
      let all = '';
      child.stderr.on('data', (text) => {
        all += text;
        if (pattern.test(all)) resolve();
      });
    });
  await said(/connecting to etcd: what that needs does not answer/);
  const endpoint = `http://127.0.0.1:${port}`;
  const ready = await fetch(`${endpoint}/-/health/ready`);
  assert.deepEqual([ready.status, ready.headers.get('retry-after')], [503, '2']);
  assert.match(await ready.text(), /"the server is starting: connecting to etcd: .* \(No etcd member answers/);
  const doctor = await run(['doctor', '--endpoint', endpoint]);
  assert.match(doctor.stdout, /health +the server is starting: .*\n.*Ask again in a moment/);
  const told = said(/just starting, and ends when it has; SIGTERM again ends it at once/);
  child.kill('SIGTERM');
  await told;
  child.kill('SIGTERM');
  assert.equal(await ended, 'SIGTERM');
});

test('the tour: from a bucket to a synchronised folder and back', async () => {
  const tree = path.join(folder, 'tree');
  mkdirSync(path.join(tree, 'sub folder'), { recursive: true });
  for (const [name, size] of [
    ['a.txt', 10],
    ['sub folder/ü.bin', 70_000],
    ['empty', 0],
    ['large', 20 * 1024 * 1024],
  ] as const)
    writeFileSync(path.join(tree, name), randomBytes(size));

  assert.equal((await run(['mb', 'tour', '--versioning'])).code, 0);
  const doctor = await run(['doctor', '--write', 'tour', '--json']);
  assert.deepEqual(
    doctor.rows.filter((row) => row['outcome'] === 'failed'),
    [],
    doctor.stderr,
  );
  const up = await run(['sync', tree, 's3://tour/t', '--json']);
  assert.equal(up.code, 0, up.stderr);
  assert.equal(up.rows.length, 4);
  assert.equal((await run(['sync', tree, 's3://tour/t', '--json'])).rows.length, 0);
  assert.equal((await run(['sync', tree, 's3://tour/t', '--json', '--checksum'])).rows.length, 0);
  const back = path.join(folder, 'back');
  const down = await run(['cp', '-r', 's3://tour/t', back]);
  assert.equal(down.code, 0, down.stderr);
  for (const name of ['a.txt', 'sub folder/ü.bin', 'empty', 'large'])
    assert.ok(readFileSync(path.join(tree, name)).equals(readFileSync(path.join(back, name))), name);
  assert.deepEqual(readdirSync(back).sort(), ['a.txt', 'empty', 'large', 'sub folder']);

  assert.deepEqual((await run(['du', 's3://tour', '--json'])).rows[0]?.['objects'], 4);
  assert.equal((await run(['mv', 's3://tour/t/a.txt', 's3://tour/moved', '--metadata', 'm=ü'])).code, 0);
  const moved = (await run(['stat', 's3://tour/moved', '--json'])).rows[0]!;
  assert.deepEqual([moved['size'], moved['metadata']], [10, { m: 'ü' }]);
  assert.equal((await run(['tag', 's3://tour/moved', 'a=1'])).stdout, 'a=1\n');
  await Promise.all(['b=2', 'c=3', 'd=4'].map((pair) => run(['tag', 's3://tour/moved', pair])));
  // Of a bucket as of an object: none of those that change at the same time is lost.
  await Promise.all(['x=1', 'y=2', 'z=3'].map((pair) => run(['tag', 's3://tour', pair])));
  const ofBucket = (await run(['tag', 's3://tour', '--remove', 'x'])).stdout;
  assert.deepEqual(ofBucket.trim().split('\n').sort(), ['y=2', 'z=3']);
  const tagged = await run(['tag', 's3://tour/moved', '--remove', 'b', '--json']);
  assert.deepEqual(tagged.rows[0]?.['tags'], { a: '1', c: '3', d: '4' }, 'none is lost to another');
  const listed = (await run(['versions', 's3://tour/moved', '--json'])).rows;
  assert.equal(listed.length, 1, 'tags are changed in place');
  const versions = (await run(['versions', 's3://tour/t/a.txt', '--json'])).rows;
  assert.deepEqual(
    versions.map((row) => row['deleteMarker']),
    [true, false],
  );
  assert.equal((await run(['versions', '--restore', String(versions[1]!['versionId']), 's3://tour/t/a.txt'])).code, 0);
  const url = (await run(['presign', 's3://tour/t/a.txt'])).stdout.trim();
  const fetched = await fetch(url).then((answer) => answer.bytes());
  assert.deepEqual(fetched, new Uint8Array(readFileSync(path.join(tree, 'a.txt'))));
});

test('a quota is set, refuses what goes beyond it with what to do, and is shown', async () => {
  assert.equal((await run(['mb', 's3://narrow'])).code, 0);
  const table = async (...args: string[]) => (await run(['quota', ...args])).stdout.trim().split(/\n/).at(-1);
  assert.match((await run(['quota', 'show'])).stderr, /no quotas: `dsom quota set/);
  assert.match((await table('show', 's3://narrow'))!, /^bucket {2}narrow {2}0 B of any {2}0 of any$/);
  assert.match((await table('set', 's3://narrow', '--bytes', '1MiB', '--objects', '3'))!, /0 B of 1.00 MiB {2}0 of 3$/);
  const [small, large] = [path.join(folder, 'small'), path.join(folder, 'large')];
  writeFileSync(small, randomBytes(300_000));
  writeFileSync(large, randomBytes(900_000));
  assert.equal((await run(['cp', small, 's3://narrow/a'])).code, 0);
  const refused = await run(['cp', large, 's3://narrow/b']);
  assert.equal(refused.code, exitCode.accessDenied, refused.stderr);
  assert.match(refused.stderr, /narrow holds 300000 of the 1048576 bytes .*adds 900000: delete .*dsom quota set/);
  const [shown] = (await run(['quota', 'show', '--json'])).rows;
  assert.deepEqual(shown, {
    kind: 'bucket',
    name: 'narrow',
    quota: { bytes: 1_048_576, objects: 3 },
    usage: { bytes: 300_000, objects: 1 },
  });
  const scraped = await fetch(`${endpoint}/-/metrics`).then((answer) => answer.text());
  for (const none of ['dsom_connection_shortages_total{outcome="refused"}', 'dsom_damaged_copies'])
    assert.ok(scraped.includes(`\n${none} 0\n`), `${none} is told before there is one`);
  assert.match(scraped, /dsom_quota_used\{of="bucket",name="narrow",unit="bytes"\} 300000\n/);
  assert.match(scraped, /dsom_quota_limit\{of="bucket",name="narrow",unit="objects"\} 3\n/);
  assert.match(
    (await table('set', '--tenant', 'root', '--objects', '1'))!,
    /^tenant {2}root {2}.* of any {2}\d+ of 1$/,
  );
  assert.match(
    (await run(['cp', small, 's3://narrow/c'])).stderr,
    /tenant that owns narrow holds \d+ of the 1 objects/,
  );
  assert.equal((await run(['rm', 's3://narrow/a'])).code, 0);
  for (const holder of [['s3://narrow'], ['--tenant', 'root']])
    assert.equal((await run(['quota', 'clear', ...holder])).code, 0);
  assert.equal((await run(['cp', large, 's3://narrow/b'])).code, 0);
  const policy = ['--policy', 'AmazonS3FullAccess', '--json'];
  const [user] = (await run(['user', 'create', 'ann', ...policy])).rows;
  const ann = {
    DSOM_ACCESS_KEY_ID: String(user!['accessKeyId']),
    DSOM_SECRET_ACCESS_KEY: String(user!['secretAccessKey']),
  };
  assert.match(
    (await table('set', '--user', 'ann', '--bytes', '1MiB'))!,
    /^user {2}ann of root {2}0 B of 1.00 MiB {2}0 of any$/,
  );
  assert.equal((await run(['cp', small, 's3://narrow/hers'], { environment: ann })).code, 0);
  const hers = await run(['cp', large, 's3://narrow/more'], { environment: ann });
  assert.match(hers.stderr, /user who writes this has written 300000 of the 1048576 bytes/);
  assert.equal((await run(['quota', 'show'], { environment: ann })).code, exitCode.accessDenied);
  assert.equal((await run(['quota', 'show', 's3://narrow'], { environment: ann })).code, 0);
  assert.equal((await run(['cp', large, 's3://narrow/more'])).code, 0);
  assert.deepEqual(
    (await run(['quota', 'show', '--json'])).rows.map(({ kind, name, tenant, usage }) => [kind, name, tenant, usage]),
    [['user', 'ann', 'root', { bytes: 300_000, objects: 1 }]],
  );
  const raised = await run(['rm', 's3://narrow/hers']);
  assert.match((await table('show', '--user', 'ann', '--tenant', 'root'))!, /0 B of 1.00 MiB/, raised.stderr);
  const usage = [
    ['set'],
    ['set', 's3://narrow'],
    ['clear'],
    ['set', 's3://narrow', '--bytes', 'much'],
    ['show', 's3://narrow', '--tenant', 'root'],
  ];
  for (const wrong of usage) assert.equal((await run(['quota', ...wrong])).code, exitCode.usage, wrong.join(' '));
  for (const gone of [
    ['show', 's3://nowhere'],
    ['set', '--tenant', 'nobody', '--objects', '1'],
  ])
    assert.equal((await run(['quota', ...gone])).code, exitCode.notFound, gone.join(' '));
  const ask = (body: unknown) =>
    fetch(`${endpoint}/-/v1/quotas/buckets/narrow`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${rootKeys.accessKeyId}.${rootKeys.secretAccessKey}` },
      body: JSON.stringify(body),
    });
  for (const body of [{}, { bytes: null }, { bytes: -1 }, { bytes: 1.5 }, { bytes: '1' }, { parts: 1 }, []]) {
    const answer = await ask(body);
    assert.equal(answer.status, 400, `${JSON.stringify(body)} ${await answer.text()}`);
  }
  assert.equal((await run(['rb', '--force', 's3://narrow'])).code, 0);
});

test('keys, checks and the end of a bucket', async () => {
  const made = (await run(['key', 'create', 'reader', '--role', 'readonly', '--json'])).rows[0]!;
  const reader = {
    DSOM_ACCESS_KEY_ID: String(made['accessKeyId']),
    DSOM_SECRET_ACCESS_KEY: String(made['secretAccessKey']),
  };
  assert.equal((await run(['ls', 's3://tour'], { environment: reader })).code, 0);
  assert.equal((await run(['rm', 's3://tour/moved'], { environment: reader })).code, exitCode.accessDenied);
  assert.equal((await run(['key', 'revoke', reader.DSOM_ACCESS_KEY_ID])).code, 0);
  assert.equal((await run(['ls', 's3://tour'], { environment: reader })).code, exitCode.accessDenied);
  assert.equal(
    (await run(['ls'], { environment: { DSOM_SECRET_ACCESS_KEY: 'wrong-secret' } })).code,
    exitCode.accessDenied,
  );
  const scrub = await run(['scrub', '--wait']);
  assert.equal(scrub.code, 0, scrub.stderr);
  const check = await run(['fsck']);
  assert.deepEqual([check.code, /no findings/.test(check.stdout)], [0, true], check.stderr);
  assert.equal((await run(['rb', 's3://tour'])).code, exitCode.conflict);
  assert.equal((await run(['rb', '--force', 's3://tour'])).code, 0);
  assert.equal((await run(['ls'])).stdout, '');
});

test('limits are set, shown, counted and cleared, and hold back no operator', async () => {
  const said = async (...parameters: string[]) => {
    const { code, stdout, stderr } = await run(parameters);
    assert.equal(code, exitCode.ok, stderr);
    return stdout;
  };
  await said('tenant', 'create', 'acme');
  const given = ['--access-key-id', 'ACMEKEY', '--secret-access-key', 'acme-secret'];
  await said('user', 'create', 'ann', '--tenant', 'acme', '--policy', 'AmazonS3FullAccess', ...given);
  assert.match(await said('limit', 'show'), /no limits: set one with/);
  const set = JSON.parse(
    await said('limit', 'set', 'acme', '--requests', '1', '--bytes-in', '1MiB', '--connections', '9', '--json'),
  );
  assert.deepEqual([set.tenant, set.requestsPerSecond, set.bytesInPerSecond, set.connections], ['acme', 1, 1048576, 9]);
  await said('limit', 'set', '--key', 'ACMEKEY', '--concurrent', '5');
  await said('limit', 'set', '--anonymous', '--requests', '3');
  await said('limit', 'set', 'root', '--requests', '1');
  assert.match(await said('limit'), /key ACMEKEY +- +- +- +5 +-[\s\S]*acme +1\/s +1\.00 MiB\/s +- +- +9/);
  const asAnn = { environment: { DSOM_ACCESS_KEY_ID: 'ACMEKEY', DSOM_SECRET_ACCESS_KEY: 'acme-secret' } };
  const refused = new RegExp(`dsom_tenant_refused_total\\{tenant="${set.account}",limit="requests"\\} [1-9]`);
  // All at once: one after the other they might be as slow as they may. A thread that has not looked at the limits yet lets all of them through.
  await until(async () => {
    const answers = await Promise.all([1, 2, 3].map(() => run(['ls'], asAnn)));
    assert.deepEqual(
      answers.map(({ code }) => code),
      [0, 0, 0],
      'the SDK waits for what Retry-After says',
    );
    return refused.test(await fetch(`${endpoint}/-/metrics`).then((answer) => answer.text()));
  }, 'some of three requests at one a second are refused');
  for (let i = 0; i < 5; i++) await said('limit', 'show', 'acme');
  await said('limit', 'clear', 'acme', 'root', '--anonymous');
  await said('user', 'delete', 'ann', '--tenant', 'acme');
  assert.match(await said('limit', 'show'), /no limits/, 'that of the key went with it');
  const bad: [string[], RegExp][] = [
    [['set', 'acme'], /at least one of --requests/],
    [['set', '--requests', '5'], /give one of: a tenant/],
    [['set', 'nobody', '--requests', '5'], /no tenant nobody: make it with/],
    [['set', '--key', 'nokey', '--requests', '5'], /no access key nokey/],
    [['set', '--anonymous', '--connections', '5'], /of tenants only/],
    [['set', 'acme', '--requests', '0'], /whole number from 1 on/],
    [['set', 'acme', '--bytes-in', '1'], /bytesInPerSecond/],
    [['clear', 'acme'], /no limit for tenant\/\d{12}: .dsom limit show. lists/],
  ];
  for (const [parameters, text] of bad) {
    const { code, stderr } = await run(['limit', ...parameters]);
    assert.notEqual(code, exitCode.ok);
    assert.match(stderr, text);
  }
});

test('what is retained in governance mode is removed by who says so and may, over each protocol', async () => {
  const connection = { ...rootKeys, endpoint, region: 'us-east-1', ca: undefined } as never;
  const s3 = new S3Connection(connection, realHost(), new AbortController().signal, () => assert.fail());
  after(() => s3.close());
  const md5 = (text: string) => ({ 'content-md5': createHash('md5').update(text).digest('base64') });
  const put = async (request: Partial<Parameters<S3Connection['send']>[0]>) => {
    const headers = request.body === undefined ? {} : md5(request.body);
    const answer = await s3.send({ method: 'PUT', bucket: 'retained', headers, ...request });
    return answer.headers['x-amz-version-id'] as string;
  };
  await put({ headers: { 'x-amz-bucket-object-lock-enabled': 'true' } });
  const rule = '<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>9</Days></DefaultRetention></Rule>';
  const lock = `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`;
  await put({ query: { 'object-lock': '' }, body: lock });
  const object = { key: 'k', body: 'x' };
  const [first, second, third] = [await put(object), await put(object), await put(object)] as const;
  const bypass = '--bypass-governance';
  const ends = async (code: number, parameters: readonly string[], text: RegExp) => {
    const { code: ended, stdout, stderr } = await run(parameters);
    assert.equal(ended, code, stderr);
    assert.match(stdout + stderr, text);
  };
  await ends(exitCode.usage, ['rm', bypass, 's3://retained/k'], /goes with --versions or --version-id/);
  await ends(exitCode.usage, ['rb', bypass, 'retained'], /goes with --force/);
  await ends(exitCode.failed, ['rm', '--versions', 's3://retained/k'], /object lock.*--bypass-governance/s);
  const denial = { Effect: 'Deny', Principal: '*', Action: 's3:BypassGovernanceRetention', Resource: '*' };
  const Statement = [{ ...denial, Resource: 'arn:aws:s3:::retained/*' }];
  await put({ query: { policy: '' }, body: JSON.stringify({ Version: '2012-10-17', Statement }) });
  const native = async (bypasses: string) => {
    const authorization = `Bearer ${rootKeys.accessKeyId}.${rootKeys.secretAccessKey}`;
    const headers = { authorization, 'x-amz-bypass-governance-retention': bypasses };
    const path = `/-/v1/buckets/retained/objects/k?versionId=${first}`;
    return (await fetch(endpoint + path, { method: 'DELETE', headers })).status;
  };
  // MinIO CVE-2023-25812.
  assert.equal(await native('true'), 403);
  await ends(
    exitCode.accessDenied,
    ['rm', bypass, '--version-id', first, 's3://retained/k'],
    /s3:BypassGovernanceRetention.*denies it/,
  );
  await ends(exitCode.failed, ['rm', bypass, '--versions', 's3://retained/k'], /Access Denied/);
  await s3.send({ method: 'DELETE', bucket: 'retained', query: { policy: '' } });
  assert.deepEqual([await native('false'), await native('true')], [403, 204]);
  await ends(exitCode.ok, ['rm', bypass, '--version-id', second, 's3://retained/k'], /removed version/);
  await ends(exitCode.ok, ['rm', bypass, '--versions', 's3://retained/k'], new RegExp(`version ${third}`));
  await put(object);
  await ends(exitCode.failed, ['rb', '--force', 'retained'], /object lock/);
  await ends(exitCode.ok, ['rb', '--force', bypass, 'retained'], /removed s3:\/\/retained and 1 versions/);
});

test('requests under way are counted until they are answered, probes too', async () => {
  for (const path of ['/-/health/live', '/-/health/ready', '/-/nothing', '/', '/nothing/there'])
    await fetch(endpoint + path, { method: path === '/' ? 'OPTIONS' : 'GET' }).then((answer) => answer.arrayBuffer());
  const underWay = async () =>
    Number(/^dsom_requests_in_flight (\d+)$/m.exec(await fetch(`${endpoint}/-/metrics`).then((a) => a.text()))?.[1]);
  // The answer may be here before the server is done with it; one that is forgotten makes each look see one more.
  let seen = await underWay();
  while (seen > 1 && seen < 100) seen = await underWay();
  assert.equal(seen, 1, 'the look itself');
});
