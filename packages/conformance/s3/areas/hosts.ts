import { area } from '../case.ts';
import { percent } from '../client.ts';
import { ok, refused, same } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';

const { cases, rule } = area('virtual-host style', 'userguide/VirtualHosting');
const needs = { needs: ['domain'] as const };

const made = (t: Steps) =>
  t.shared('a bucket with a host', async (keeper) => {
    const bucket = await keeper.bucket();
    await keeper.put(bucket, 'object', 'by its host');
    await keeper.put(bucket, 'a/b c', 'below');
    return bucket;
  });
/** A request to the host of a bucket, at the same address. */
const send = (t: Steps, method: string, host: string, path: string, options: Options = {}) =>
  t.at(method, path, { ...options, headers: { host, ...options.headers } });
const hostOf = (t: Steps, bucket: string) => `${bucket}.${t.store.domain}`;

rule(
  'the bucket may be in the host, and the key is the path',
  async (t) => {
    const answer = ok(await send(t, 'GET', hostOf(t, await made(t)), '/object'));
    same(answer.body.toString(), 'by its host', 'content', answer);
  },
  needs,
);
rule(
  'a key with slashes and spaces is the path',
  async (t) => {
    const answer = ok(await send(t, 'GET', hostOf(t, await made(t)), `/a/${percent('b c')}`));
    same(answer.body.toString(), 'below', 'content', answer);
  },
  needs,
);
rule(
  'the host may have a port',
  async (t) => {
    ok(await send(t, 'GET', `${hostOf(t, await made(t))}:${new URL(t.store.url).port}`, '/object'));
  },
  needs,
);
rule(
  'the host may be in capitals',
  async (t) => {
    ok(await send(t, 'GET', `${await made(t)}.${t.store.domain?.toUpperCase()}`, '/object'));
  },
  needs,
);
rule(
  'the path / is the bucket',
  async (t) => {
    const answer = ok(await send(t, 'GET', hostOf(t, await made(t)), '/', { query: { 'list-type': '2' } }));
    same(answer.texts('Key'), ['a/b c', 'object'], 'keys', answer);
  },
  needs,
);
rule(
  'HEAD of / is HeadBucket',
  async (t) => {
    ok(await send(t, 'HEAD', hostOf(t, await made(t)), '/'));
  },
  needs,
);
rule(
  'the domain without a bucket is path style',
  async (t) => {
    ok(await send(t, 'GET', t.store.domain ?? '', `/${await made(t)}/object`));
  },
  needs,
);
rule(
  'the domain without a bucket lists buckets at /',
  async (t) => {
    const bucket = await made(t);
    const answer = ok(await send(t, 'GET', t.store.domain ?? '', '/', { query: { prefix: bucket } }));
    same(answer.texts('Name').includes(bucket), true, 'the bucket is listed', answer);
  },
  needs,
);
rule(
  'a bucket with periods may be in the host',
  async (t) => {
    const bucket = t.mine(`${t.newName()}.with.periods`);
    ok(await t.send('PUT', bucket));
    ok(await send(t, 'HEAD', hostOf(t, bucket), '/'));
  },
  needs,
);
rule(
  'a bucket may be made by its host',
  async (t) => {
    const bucket = t.mine(t.newName());
    ok(await send(t, 'PUT', hostOf(t, bucket), '/'));
    ok(await t.send('HEAD', bucket));
  },
  needs,
);
rule(
  'an object may be written and deleted by the host of its bucket',
  async (t) => {
    const bucket = await t.bucket();
    ok(await send(t, 'PUT', hostOf(t, bucket), '/key', { body: 'x' }));
    ok(await t.get(bucket, 'key'));
    ok(await send(t, 'DELETE', hostOf(t, bucket), '/key'), 204);
    refused(await t.get(bucket, 'key'), 'NoSuchKey');
  },
  needs,
);
rule(
  'a bucket in the host that is not there is refused with NoSuchBucket',
  async (t) => {
    refused(await send(t, 'GET', hostOf(t, t.newName()), '/object'), 'NoSuchBucket');
  },
  needs,
);
rule(
  'a key that begins with the name of the bucket is a key',
  async (t) => {
    const bucket = await made(t);
    refused(await send(t, 'GET', hostOf(t, bucket), `/${bucket}/object`), 'NoSuchKey');
  },
  needs,
);
rule(
  'the host of another domain is path style',
  async (t) => {
    ok(await send(t, 'GET', 'elsewhere.example', `/${await made(t)}/object`));
  },
  needs,
);
rule(
  'a presigned URL may have the bucket in its host',
  async (t) => {
    ok(await send(t, 'GET', hostOf(t, await made(t)), '/object', { signing: { form: 'query' } }));
  },
  needs,
);
rule(
  'a signature for one host is not one for another',
  async (t) => {
    const [one, other] = [await made(t), await t.bucket()];
    await t.put(other, 'object');
    const spoil = (sent: { headers: Record<string, string> }) => {
      sent.headers['host'] = hostOf(t, other);
    };
    refused(await send(t, 'GET', hostOf(t, one), '/object', { signing: { spoil } }), 'SignatureDoesNotMatch');
  },
  needs,
);

export const hostCases = cases;
