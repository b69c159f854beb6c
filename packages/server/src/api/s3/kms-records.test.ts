/* Named keys where they meet others: rows that cannot be read, keys of customers, appends. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { limits } from '../../limits.ts';
import { keys } from '../../metadata/machine/keys.ts';
import { encodeKmsKey } from '../../metadata/machine/kms-keys.ts';
import { ok, says, startHarness } from './harness.support.ts';
import { openMemoryStore } from './store.support.ts';

const sse = 'x-amz-server-side-encryption';
const withKey = (key: string): Record<string, string> => ({ [sse]: 'aws:kms', [`${sse}-aws-kms-key-id`]: key });

describe('a record of a named key that cannot be read', () => {
  it('opens and encrypts nothing', async () => {
    const own = await openMemoryStore();
    const server = await startHarness(own.objects, { position: own.position });
    ok(await server.send('PUT', '/b-1'));
    const key = await own.objects.kms.create('broken');
    ok(await server.send('PUT', '/b-1/k', { body: 'bytes', headers: withKey(key.id) }));
    const rowKey = keys.kmsKey(key.id);
    const row = Buffer.from(own.kv.get(rowKey)!);
    const state = 1 + 1 + 36 + 1 + 'broken'.length + 8;
    for (const [at, value] of [
      [0, 2],
      [state, 7],
      [state + 1, 0],
      [state + 1, 2],
    ] as const) {
      const changed = Buffer.from(row);
      changed[at] = value;
      own.kv.commit([[rowKey, changed]]);
      for (const answer of [
        await server.send('GET', '/b-1/k'),
        await server.send('PUT', '/b-1/new', { body: 'x', headers: withKey(key.id) }),
      ])
        says(answer, 403, 'AccessDenied', /cannot be read/);
    }
    await server.close();
    await own.close();
  });
});

describe('named keys, and versions of one', () => {
  it('are bounded', async () => {
    const own = await openMemoryStore();
    const { kms } = own.objects;
    const full = await kms.create('full');
    const put = (id: string, name: string, versions: number) => {
      const wrapped = Array.from({ length: versions }, () => full.versions[0]!);
      own.kv.commit([
        [keys.kmsKey(id), encodeKmsKey({ ...full, id, name, versions: wrapped })],
        [keys.kmsKeyName(name), Buffer.from(id)],
      ]);
    };
    put(full.id, full.name, limits.kmsKeyVersions - 1);
    assert.equal((await kms.rotate(full.id)).versions.length, limits.kmsKeyVersions);
    await assert.rejects(kms.rotate(full.id), { code: 'InvalidRequest', message: /Make a new key/ });
    for (let i = 2; i < limits.kmsKeys; i++) put(`id-${i}`, `name-${i}`, 1);
    await kms.create('last');
    await assert.rejects(kms.create('one-more'), { code: 'InvalidRequest', message: /as many as there may be/ });
    await own.close();
  });
});

describe('named keys and keys of customers', () => {
  it('are copied from one to the other, and an append says the key of the object, or none', async () => {
    const own = await openMemoryStore();
    const server = await startHarness(own.objects, { position: own.position });
    try {
      ok(await server.send('PUT', '/b-1'));
      const key = (await own.objects.kms.create('k')).id;
      const another = (await own.objects.kms.create('another')).id;
      const secret = randomBytes(32);
      const customers = (prefix: string) => ({
        [`${prefix}-customer-algorithm`]: 'AES256',
        [`${prefix}-customer-key`]: secret.toString('base64'),
        [`${prefix}-customer-key-md5`]: createHash('md5').update(secret).digest('base64'),
      });
      const put = (path: string, body: string | undefined, headers: Record<string, string>) =>
        server.send('PUT', path, { ...(body !== undefined && { body }), headers });
      const copy = 'x-amz-copy-source';
      ok(await put('/b-1/named', 'bytes', withKey(key)));
      ok(await put('/b-1/customers', undefined, { [copy]: '/b-1/named', ...customers(sse) }));
      says(await server.send('GET', '/b-1/customers'), 400, 'InvalidRequest', /correct parameters/);
      const source = customers(`${copy}-server-side-encryption`);
      ok(await put('/b-1/back', undefined, { [copy]: '/b-1/customers', ...source, ...withKey(another) }));
      await own.objects.kms.setState(key, 'disabled');
      assert.equal((await server.send('GET', '/b-1/customers', { headers: customers(sse) })).text, 'bytes');
      assert.equal((await server.send('GET', '/b-1/back')).text, 'bytes');
      await own.objects.kms.setState(key, 'enabled');

      ok(await put('/b-1/plain', 'bytes', {}));
      const append = (path: string, headers: Record<string, string>) =>
        put(path, '+', { 'x-amz-write-offset-bytes': '5', ...headers });
      const other = /another encryption/;
      says(await append('/b-1/plain', withKey(key)), 400, 'InvalidRequest', other);
      says(await append('/b-1/named', withKey(another)), 400, 'InvalidRequest', other);
      says(await append('/b-1/named', { [sse]: 'AES256' }), 400, 'InvalidRequest', other);
      says(await append('/b-1/named', { ...withKey(key), [sse]: 'aws:kms:dsse' }), 400, 'InvalidRequest', other);
      ok(await append('/b-1/plain', { [sse]: 'AES256' }));
      ok(await append('/b-1/named', withKey('alias/k')));
      assert.equal((await server.send('GET', '/b-1/named')).text, 'bytes+');
    } finally {
      await server.close();
      await own.close();
    }
  });
});
