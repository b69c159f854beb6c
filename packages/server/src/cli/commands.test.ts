import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { exitCode } from './exit.ts';
import { type Stub, startStub } from './stub.fixture.ts';

let stub: Stub;
before(async () => {
  stub = await startStub();
});
after(() => stub.close());
beforeEach(() => {
  stub.store.intercept = undefined;
});

const text = (value: string) => new TextEncoder().encode(value);

test('buckets are made, listed, described and removed', async () => {
  assert.equal((await stub.run(['mb', 'one', 's3://two', '--versioning'])).code, 0);
  assert.equal((await stub.run(['mb', 'one'])).code, exitCode.conflict);
  assert.equal((await stub.run(['mb', '--ignore-existing', 'one'])).code, 0);
  assert.deepEqual(
    (await stub.run(['ls', '--json'])).rows.map((row) => row['name']),
    ['b', 'one', 'two'],
  );
  assert.match((await stub.run(['stat', 's3://two'])).stdout, /versioning {3}enabled/);
  stub.store.store('two', 'k', text('x'));
  stub.store.store('two', 'k', text('y'));
  const refused = await stub.run(['rb', 'two']);
  assert.deepEqual([refused.code, /--force/.test(refused.stderr)], [exitCode.conflict, true]);
  assert.equal((await stub.run(['rb', '--force', 'two', 'one'])).code, 0);
  assert.deepEqual([...stub.store.buckets.keys()], ['b']);
});

test('what a bucket is kept with is shown and changed, in every form', async () => {
  const shown = async (...args: string[]) => (await stub.run(['redundancy', ...args])).stdout.trim();
  assert.equal(await shown('s3://b'), 's3://b: as many copies as the layout gives');
  assert.equal(await shown('s3://b', '8+3'), 's3://b: 8+3: 8 data and 3 parity fragments');
  assert.equal(
    await shown('s3://b', 'copies=2/8+3/7d'),
    's3://b: 2 copies; after 7d without use 8+3: 8 data and 3 parity fragments',
  );
  assert.equal(await shown('s3://b', '--reset'), 's3://b: as many copies as the layout gives');
  for (const wrong of [
    ['redundancy', 's3://b', 'many'],
    ['redundancy', 's3://b', '2/8+3'],
    ['redundancy', 's3://b', '2/8+3/soon'],
    ['redundancy', 's3://b', '3', '--reset'],
    ['redundancy', 's3://b', '--storage-class', 'COOL'],
    ['policy', 'set', 'COOL', 'many'],
  ])
    assert.equal((await stub.run(wrong)).code, exitCode.usage, wrong.join(' '));
});

test('listing, counting, finding', async () => {
  for (const [key, size] of [
    ['a.txt', 10],
    ['d/b.jpg', 2000],
    ['d/e/c.jpg', 3000],
    ['d\n', 1],
  ] as const)
    stub.store.store('b', key, new Uint8Array(size));
  const lines = (await stub.run(['ls', 'b'])).stdout.trim().split('\n');
  assert.deepEqual(
    lines.map((line) => line.split(/\s+/).at(-1)),
    ['a.txt', 'd\\x0a', 'd/'],
  );
  assert.deepEqual(
    (await stub.run(['ls', '-r', '--json', 's3://b/d'])).rows.map((row) => row['key']),
    ['d\n', 'd/b.jpg', 'd/e/c.jpg'],
  );
  assert.deepEqual(
    (await stub.run(['ls', '--json', 's3://b/d/*.jpg'])).rows.map((row) => row['key']),
    ['d/b.jpg'],
  );
  const usage = (await stub.run(['du', '--json', '-d', '2', 'b'])).rows;
  assert.deepEqual(
    usage.map(({ address, objects, bytes }) => [address, objects, bytes]),
    [
      ['s3://b/d/', 2, 5000],
      ['s3://b/d/e/', 1, 3000],
      ['s3://b', 4, 5011],
    ],
  );
  assert.deepEqual((await stub.run(['find', 'b', '--name', '*.jpg', '--larger', '2500'])).stdout, 's3://b/d/e/c.jpg\n');
  assert.deepEqual((await stub.run(['find', 'b', '--older', '1d'])).stdout, '');
  assert.deepEqual(
    (await stub.run(['find', 'b', '--newer', '1h', '--path', 'd/*', '--print0'])).stdout,
    's3://b/d/b.jpg\0',
  );
});

test('reading, describing and deleting objects', async () => {
  stub.store.store('b', 'x/1', text('hello '), {
    headers: { 'x-amz-meta-colour': 'blue', 'content-type': 'text/plain' },
  });
  stub.store.store('b', 'x/2', text('world'));
  assert.equal((await stub.run(['cat', 'b/x/1', 's3://b/x/2'])).stdout, 'hello world');
  assert.equal((await stub.run(['cat', '--range', '1-3', 'b/x/1'])).stdout, 'ell');
  const described = await stub.run(['stat', 'b/x/1']);
  assert.match(described.stdout, /size +6 B \(6 bytes\)[\s\S]*metadata +colour=blue/);
  const missing = await stub.run(['cat', 's3://b/none', '--json']);
  assert.deepEqual([missing.code, JSON.parse(missing.stderr)['code']], [exitCode.notFound, 'NotFound']);
  const some = await stub.run(['cat', 'b/x/2', 's3://b/none']);
  assert.deepEqual([some.code, some.stdout], [exitCode.failed, 'world']);
  assert.equal((await stub.run(['rm', '--dry-run', 'b/x/*'])).stdout.split('\n').length, 3);
  assert.ok(stub.store.bytes('b', 'x/1'));
  assert.equal((await stub.run(['rm', 'b/x/*'])).code, 0);
  assert.equal(stub.store.bytes('b', 'x/1'), undefined);
  const careful = await stub.run(['rm', '-r', 'b']);
  assert.deepEqual([careful.code, /--force/.test(careful.stderr)], [exitCode.usage, true]);
  assert.equal((await stub.run(['rm', '-rf', 'b'])).code, 0);
  assert.equal(stub.store.buckets.get('b')?.objects.size, 0);
});

test('versions and tags', async () => {
  await stub.run(['versions', '--enable', 'b']);
  const { versionId } = stub.store.store('b', 'v', text('old'));
  stub.store.store('b', 'v', text('new'));
  assert.equal((await stub.run(['versions', 'b/v'])).stdout.trim().split('\n').length, 2);
  assert.equal((await stub.run(['cat', '--version-id', versionId, 'b/v'])).stdout, 'old');
  assert.equal((await stub.run(['versions', '--restore', versionId, 'b/v'])).code, 0);
  assert.equal(new TextDecoder().decode(stub.store.bytes('b', 'v')), 'old');
  assert.equal((await stub.run(['tag', 'b/v', 'a=1', 'b=2'])).stdout, 'a=1\nb=2\n');
  assert.equal((await stub.run(['tag', 'b/v', '--remove', 'a', 'c=3'])).stdout, 'b=2\nc=3\n');
  assert.equal((await stub.run(['rm', '--versions', 'b/v'])).code, 0);
  assert.equal(stub.store.buckets.get('b')?.objects.size, 0);
  await stub.run(['versions', '--suspend', 'b']);
});

test('keys, presigned URLs, checks', async () => {
  const made = (await stub.run(['key', 'create', 'ci', '--role', 'readonly', '--bucket', 'b', '--json'])).rows[0]!;
  assert.deepEqual([made['role'], made['secretAccessKey'], made['buckets']], ['readonly', 'secret-once', ['b']]);
  assert.match((await stub.run(['key', 'list'])).stdout, /readonly[\s\S]*ci/);
  assert.equal((await stub.run(['key', 'revoke', String(made['accessKeyId']), 'nobody'])).code, exitCode.failed);
  const url = new URL((await stub.run(['presign', 'b/a b', '--expires', '90s'])).stdout.trim());
  assert.deepEqual([url.pathname, url.searchParams.get('X-Amz-Expires')], ['/b/a%20b', '90']);
  assert.match((await stub.run(['fsck'])).stdout, /no findings: objects 2/);
  stub.store.intercept = ({ path: asked }) =>
    asked.endsWith('/fsck')
      ? new Response(
          '{"type":"finding","kind":"stripe-lost","where":"b/k","what":"gone","remedy":"restore"}\n{"type":"summary","counts":{"stripe-lost":1},"totals":{}}\n',
        )
      : undefined;
  const damaged = await stub.run(['fsck']);
  assert.deepEqual([damaged.code, damaged.stdout], [exitCode.damaged, 'stripe-lost  b/k  gone\n  restore\n']);
  stub.store.intercept = undefined;
  assert.match((await stub.run(['scrub', 'start'])).stdout, /running +yes/);
});

test('the doctor', async () => {
  const well = await stub.run(['doctor', '--write', 'b', '--json']);
  assert.deepEqual(
    well.rows.map((row) => [row['test'], row['outcome']]),
    ['runtime', 'settings', 'endpoint', 'health', 'clock', 'credentials', 'space', 'round trip'].map((name) => [
      name,
      'ok',
    ]),
  );
  assert.equal(stub.store.buckets.get('b')?.objects.size, 0);
  const healthIs = (status: number, said: object) => {
    stub.store.intercept = ({ path: asked }) =>
      asked.startsWith('/-/health/ready') ? Response.json(said, { status }) : undefined;
  };
  const noted = async (degraded: readonly string[], encryption: string) => {
    healthIs(200, { ready: true, reasons: [], degraded, encryption });
    const { code, stdout } = await stub.run(['doctor']);
    return [code, /. health .*/.exec(stdout)?.[0].replace(/ +/g, ' ')];
  };
  const silent = ['node b does not answer'];
  assert.deepEqual(await noted(silent, 'on'), [0, '! health live and ready, but degraded: node b does not answer']);
  assert.deepEqual(await noted([], 'off'), [0, '! health live and ready, but new objects are not encrypted']);
  // What is amiss for a while hides nothing that an operator chose.
  assert.deepEqual(await noted(silent, 'off'), [
    0,
    '! health live and ready, but degraded: node b does not answer; new objects are not encrypted',
  ]);
  stub.store.intercept = ({ path: asked }) =>
    asked.endsWith('/admin/v1/status')
      ? Response.json({ devices: [], metadata: { rebuilt: 'it was gone' } })
      : undefined;
  const made = await stub.run(['doctor']);
  assert.deepEqual([made.code, /! metadata .*last start: it was gone/.test(made.stdout)], [0, true], made.stdout);
  healthIs(503, { ready: false, reasons: ['etcd is silent', 'no quorum'], degraded: [], encryption: 'on' });
  const notReady = await stub.run(['doctor']);
  assert.match(
    notReady.stdout,
    /✗ health +live, but not ready: etcd is silent; no quorum\n +Reads at the level eventual/,
  );
  stub.store.intercept = undefined;
  const gone = await stub.run(['doctor', '--endpoint', 'http://127.0.0.1:9']);
  assert.deepEqual([gone.code, /✗ endpoint/.test(gone.stdout)], [exitCode.unreachable, true]);
  const clear = await stub.run(['doctor', '--endpoint', 'http://0.0.0.0:9', '--json']);
  assert.deepEqual(
    clear.rows.map((row) => `${row['test']} ${row['outcome']}`),
    ['runtime ok', 'settings ok', 'tls warning', 'endpoint failed'],
  );
  const wrong = await stub.run(['doctor'], { environment: { DSOM_ACCESS_KEY_ID: 'other' } });
  assert.deepEqual([wrong.code, /✗ credentials/.test(wrong.stdout)], [exitCode.accessDenied, true]);
});

test('profiles are kept for their owner alone, and used', async () => {
  const bare = { DSOM_ENDPOINT: '', DSOM_ACCESS_KEY_ID: '', DSOM_SECRET_ACCESS_KEY: '' };
  const run = (...parameters: string[]) => stub.run(parameters, { environment: bare, input: 'test\nsecret-secret\n' });
  const lost = await run('ls');
  assert.deepEqual([lost.code, /profile add/.test(lost.stderr)], [exitCode.usage, true]);
  assert.equal((await run('profile', 'add', 'here', '--endpoint', stub.endpoint)).code, 0);
  const file = path.join(stub.folder, 'home/.config/dsom/profiles.json');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.match((await run('ls')).stdout, / b\n/);
  assert.equal(
    (
      await run(
        'profile',
        'add',
        'there',
        'http://127.0.0.1:9',
        '--access-key-id',
        'x',
        '--secret-access-key',
        'yyyyyyyy',
        '--use',
      )
    ).code,
    0,
  );
  assert.deepEqual(
    (await run('profile', 'list', '--json')).rows.map((row) => [row['name'], row['current']]),
    [
      ['here', false],
      ['there', true],
    ],
  );
  assert.match((await run('ls', 's3://here@b', '--json')).stdout, /^$/);
  assert.equal((await run('ls', '--profile', 'nowhere')).code, exitCode.notFound);
  assert.equal((await run('profile', 'use', 'here')).code, 0);
  assert.equal((await run('profile', 'remove', 'there')).code, 0);
  assert.equal((await run('profile', 'add', 'bad', 'localhost')).code, exitCode.usage);
  assert.equal((await stub.run(['ls'], { environment: { DSOM_SECRET_ACCESS_KEY: '' } })).code, exitCode.usage);
});

test('mistakes are told, with the right status', async () => {
  const wrong: readonly (readonly string[])[] = [
    ['nonsense'],
    ['ls', '--nonsense'],
    ['cp', 'a'],
    ['cp', 'a', 'c'],
    ['cat', 's3://b'],
    ['mb', 's3://b/k'],
    ['key', 'create', 'x', '--role', 'root'],
    ['find', 'b', '--larger', 'x'],
    ['server', 'data'],
  ];
  for (const outcome of await Promise.all(wrong.map((one) => stub.run(one))))
    assert.equal(outcome.code, exitCode.usage, outcome.stderr);
  const gone = await stub.run(['ls', '--endpoint', 'http://127.0.0.1:9']);
  assert.deepEqual([gone.code, /dsom doctor/.test(gone.stderr)], [exitCode.unreachable, true]);
  assert.equal((await stub.run(['ls', 's3://nobucket'])).code, exitCode.notFound);
});

test('every failure says what to do next', async () => {
  const failing = (status: number, code: string) => () => {
    stub.store.intercept = () => new Response(`<Error><Code>${code}</Code><Message>no</Message></Error>`, { status });
  };
  const below = () => void stub.store.store('b', 'x/1', text('1'));
  const none = {
    HOME: path.join(stub.folder, 'nobody'),
    DSOM_ENDPOINT: '',
    DSOM_ACCESS_KEY_ID: '',
    DSOM_SECRET_ACCESS_KEY: '',
  };
  const table: [
    parameters: string[],
    code: number,
    advice: RegExp,
    before?: (() => void) | undefined,
    environment?: Record<string, string>,
  ][] = [
    [['ls'], exitCode.usage, /dsom profile add NAME ENDPOINT/, undefined, none],
    [['ls'], exitCode.usage, /set both keys, or unset the rest/, undefined, { ...none, DSOM_ACCESS_KEY_ID: 'x' }],
    [['ls', '--profile', 'nope'], exitCode.notFound, /^dsom: there is no profile "nope"\n +Known profiles: here/],
    [['ls', '--endpoint', '127.0.0.1:9000'], exitCode.usage, /is not a URL such as http/],
    [['ls', '--endpoint', 'http://127.0.0.1:9'], exitCode.unreachable, /Is the server running/],
    [['ls', '--endpoint', stub.endpoint.replace('http:', 'https:')], exitCode.unreachable, /with http:\/\/ instead/],
    [['ls', 's3://nobucket'], exitCode.notFound, /dsom mb/],
    [['cat', 's3://b/none'], exitCode.notFound, /dsom ls/],
    [
      ['cp', 's3://b/x/', '/tmp/out'],
      exitCode.notFound,
      /b\/x\/: there is no object of this name, .*\n +cp, mv and rm .* -r/,
      below,
    ],
    [['rm', 's3://b/x'], exitCode.notFound, /objects below it/, below],
    [['cp', '/no/such/file', 's3://b/x'], exitCode.notFound, /written s3:\/\/BUCKET\/KEY/],
    [['key', 'revoke', 'nope'], exitCode.notFound, /dsom key list/],
    [['presign', 's3://b/x', '--expires', '99d'], exitCode.usage, /--expires 99d: .*seven days/],
    [['mb', 'x'], exitCode.usage, /3 to 63 lower-case letters/, failing(400, 'InvalidBucketName')],
    [['stat', 's3://b/x'], exitCode.usage, /Is the name of the bucket right/, failing(400, '')],
    [['ls'], exitCode.accessDenied, /Is this the right profile/, failing(403, 'InvalidAccessKeyId')],
    [['ls'], exitCode.accessDenied, /secret access key is wrong/, failing(403, 'SignatureDoesNotMatch')],
    [['rm', 's3://b/x'], exitCode.accessDenied, /dsom key list/, failing(403, 'AccessDenied')],
    [['rb', 's3://b'], exitCode.conflict, /dsom rb --force/, failing(409, 'BucketNotEmpty')],
    [['rb', '--force', 's3://b'], exitCode.conflict, /named above/, failing(409, 'BucketNotEmpty')],
    [['cp', '-', 's3://b/x'], exitCode.storageFull, /add a data directory/, failing(507, 'StorageFull')],
    [['lss'], exitCode.usage, /Did you mean ls\?/],
    [['ls', '--jsno'], exitCode.usage, /Did you mean --json\?/],
    [['cluster', 'stauts'], exitCode.usage, /unknown command 'stauts'\n\(Did you mean status\?\)/],
    [['cluster', 'shards', 'gorw', '4'], exitCode.usage, /unknown command 'gorw'\n\(Did you mean grow\?\)/],
    [['cluster', 'status', 'now'], exitCode.usage, /too many arguments for 'status'/],
  ];
  for (const [parameters, code, advice, before, environment] of table) {
    stub.store.intercept = undefined;
    before?.();
    const outcome = await stub.run(parameters, environment ? { environment } : {});
    assert.match(outcome.stderr, advice, parameters.join(' '));
    assert.equal(outcome.code, code, outcome.stderr);
    assert.doesNotMatch(outcome.stderr, / {4}at /);
  }
});

test('completion, help and version', async () => {
  stub.store.store('b', 'dir/x', text('1'));
  stub.store.store('b', 'odd *?\\ name', text('1'));
  const answers: readonly [words: string, answer: string][] = [
    ['sc', '- scrub'],
    ['ls --rec', '- --recursive'],
    ['ls --', '- --profile --endpoint --ca --json --quiet --recursive --human --versions --uploads --summary'],
    ['server --scrub-', '- --scrub-days'],
    ['server --config ', '+'],
    ['fsck --data ', '+'],
    ['help vers', '- versions version'],
    ['key ', '- create list revoke master'],
    ['key create --role read', '- readwrite readonly'],
    ['key create --bucket ', '- b'],
    ['cp --content-type ', '-'],
    ['ls ', '- s3://'],
    ['cp ', '+ s3://'],
    ['cp ./so', '+'],
    ['mb ', '-'],
    ['ls s3://', '- s3://b/'],
    ['ls dsom://', '- dsom://b/'],
    ['cat s3://b/d', '- s3://b/dir/'],
    ['cp s3://b/dir/', '- s3://b/dir/x'],
    ['cat s3://b/o', '- s3://b/odd \\*\\?\\\\ name'],
    ['cat s3://b/*', '-'],
    ['cat s3://nobucket/', '-'],
    ['completion ', '- bash zsh fish'],
  ];
  for (const [words, answer] of answers) {
    const { stdout } = await stub.run(['__complete', '--', ...words.split(' ')]);
    assert.equal(stdout, `${answer.replaceAll(/ (?!\\|name)/g, '\n')}\n`, words);
  }
  for (const shell of ['bash', 'zsh', 'fish'])
    assert.match((await stub.run(['completion', shell])).stdout, /dsom __complete/);
  assert.match((await stub.run(['server', '--help'])).stdout, /Usage: dsom server/);
  assert.match((await stub.spawn(['version'])).stdout, /^dsom \d/);
  assert.match((await stub.run(['--help'])).stdout, /Exit status/);
});

test('a quick load cleans up behind itself', async () => {
  const ran = await stub.run(['bench', '--json', '-d', '1', '-c', '4', '-s', '1k']);
  assert.deepEqual(
    ran.rows.map((row) => row['phase']),
    ['put', 'get', 'head', 'list', 'delete'],
  );
  assert.ok(ran.rows.every((row) => Number(row['perSecond']) > 0));
  assert.deepEqual([...stub.store.buckets.keys()], ['b']);
});

test('a command whose output nobody reads says with its status that it did not do everything', async () => {
  stub.store.store('b', 'unread', text('x'));
  for (const command of [
    ['cat', 's3://b/unread'],
    ['rm', 's3://b/unread', '--json'],
  ])
    assert.equal((await stub.spawn(command, { hangsUp: true })).code, exitCode.unread, command.join(' '));
});

test('an address of another scheme is no bucket', async () => {
  for (const command of [
    ['ls', 'http://127.0.0.1:9000/b'],
    ['du', 'https://b'],
    ['stat', 'gs://b/k'],
  ]) {
    const refused = await stub.run(command);
    assert.equal(refused.code, exitCode.usage, command.join(' '));
    assert.match(refused.stderr, /write s3:\/\/BUCKET\/KEY, and the server's own as --endpoint/);
  }
});
