import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { exitCode } from './exit.ts';
import { runCli } from './index.ts';
import { keepingTerminal } from './terminal.fixture.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'dsom-explain-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, content: unknown): string => {
  const full = path.join(folder, name);
  writeFileSync(full, typeof content === 'string' ? content : JSON.stringify(content));
  return full;
};
const policy = (...statements: object[]) => ({ Version: '2012-10-17', Statement: statements });

const ann = 'arn:aws:iam::111122223333:user/team/ann';
const home = file(
  'home.json',
  policy({ Sid: 'home', Effect: 'Allow', Action: 's3:*', Resource: 'arn:aws:s3:::b/${aws:username}/*' }),
);
const bucket = file(
  'bucket.json',
  policy({
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:*',
    Resource: '*',
    Condition: { NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } },
  }),
);

async function explain(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { said, terminal } = keepingTerminal();
  const services = { serve: async () => 0, isUsageError: () => false };
  return { code: await runCli(['policy', 'explain', ...args], services, terminal), ...said };
}

const read = ['--action', 's3:GetObject', '--resource', 'b/ann/x', '--principal', ann];
const inside = ['--context', 'aws:SourceIp=10.1.2.3'];

test('policy explain says why, statement by statement, and tells a denial by its exit status', async () => {
  const yes = await explain(...read, '--policy', home, '--policy', bucket, ...inside);
  assert.equal(yes.code, exitCode.ok, yes.stderr);
  assert.deepEqual(yes.stdout.trimEnd().split('\n'), [
    'ALLOWED: a policy of the identity allows it',
    '  identity policy 1, statement 1 (home): allows it',
    '  resource policy 1, statement 1: does not apply: NotIpAddress aws:SourceIp wants "10.0.0.0/8", the request has "10.1.2.3"',
  ]);
  const no = await explain(...read, '--policy', home, '--policy', bucket, '--context', 'aws:SourceIp=192.0.2.1');
  assert.equal(no.code, exitCode.accessDenied);
  assert.match(no.stdout, /^DENIED: a statement denies it/);
  const json = JSON.parse((await explain(...read, '--policy', home, '--json')).stdout) as Record<string, unknown>;
  assert.deepEqual([json['allowed'], json['reason']], [true, 'identity-policy']);
});

test('policy explain knows every kind of principal, boundary, session and account', async () => {
  const open = file('open.json', policy({ Effect: 'Allow', Action: '*', Resource: '*' }));
  const nothing = file('nothing.json', policy({ Effect: 'Allow', Action: 's3:PutObject', Resource: '*' }));
  const shared = file(
    'shared.json',
    policy({
      Effect: 'Allow',
      Principal: { AWS: '111122223333', Service: 'logging.s3.amazonaws.com' },
      Action: 's3:*',
      Resource: '*',
    }),
  );
  const asks = async (principal: string, ...more: string[]) =>
    JSON.parse(
      (await explain('--action', 's3:GetObject', '--resource', 's3://b/k', '--principal', principal, '--json', ...more))
        .stdout,
    )['reason'];
  assert.equal(await asks('anonymous', '--policy', open), 'no-allow');
  assert.equal(await asks('111122223333'), 'root-of-account');
  assert.equal(await asks('arn:aws:iam::111122223333:root', '--account', '444455556666'), 'no-resource-allow');
  assert.equal(await asks('logging.s3.amazonaws.com', '--policy', shared), 'resource-policy');
  assert.equal(await asks('arn:aws:iam::111122223333:role/x/reader', '--policy', open), 'identity-policy');
  assert.equal(await asks('arn:aws:sts::111122223333:assumed-role/reader/s', '--policy', shared), 'no-identity-allow');
  assert.equal(await asks('arn:aws:sts::111122223333:federated-user/bob', '--policy', open), 'not-in-session');
  assert.equal(await asks(ann, '--policy', open, '--boundary', nothing), 'not-in-boundary');
  assert.equal(await asks(ann, '--policy', open, '--session-policy', nothing), 'not-in-session');
  assert.equal(await asks(ann, '--policy', open, '--policy', shared, '--account', '444455556666'), 'both-accounts');
});

test('policy explain says what is wrong with what it is given', async () => {
  const says = async (message: RegExp, code: number, ...args: string[]) => {
    const ran = await explain(...args);
    assert.equal(ran.code, code, ran.stderr);
    assert.match(ran.stderr, message);
  };
  const broken = file('broken.json', policy({ Effect: 'Allow', Action: 'GetObject', Resource: '*' }));
  await says(
    /broken\.json: Statement\[0\]\.Action \(line 1, column \d+\): "GetObject" is no action/,
    exitCode.usage,
    ...read,
    '--policy',
    broken,
  );
  await says(/none\.json/, exitCode.notFound, ...read, '--policy', path.join(folder, 'none.json'));
  await says(/--action is missing/, exitCode.usage, '--resource', 'b/k', '--principal', ann);
  await says(/is no action/, exitCode.usage, ...read, '--action', 'GetObject');
  await says(/is no principal/, exitCode.usage, ...read, '--principal', 'ann');
  await says(/no condition key "s3:prefx"/, exitCode.usage, ...read, '--context', 's3:prefx=a');
  await says(/KEY=VALUE/, exitCode.usage, ...read, '--context', 'a');
  await says(/12 digits/, exitCode.usage, ...read, '--account', 'x');
  await says(/a bucket has one policy/, exitCode.usage, ...read, '--policy', bucket, '--policy', bucket);
});
