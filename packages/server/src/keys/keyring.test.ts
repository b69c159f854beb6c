import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type MemoryVolume, memoryVolume, type Volume } from '../device/index.ts';
import { StoreError } from '../errors.ts';
import { type Host, manualHost } from '../host/index.ts';
import { bucketKeys, KeyringError, openKeyring, openSecret, sealSecret } from './index.ts';
import { rotated } from './rotating.support.ts';

const context = Buffer.from('a context');
const secret = Buffer.from('a secret of some length');
const denied = (error: unknown) => error instanceof StoreError && error.code === 'AccessDenied';

async function bytesOf(volume: Volume, name = 'keyring'): Promise<Buffer> {
  const file = await volume.open(name, 'read');
  const bytes = Buffer.alloc(await file.size());
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}

async function overwrite(volume: Volume, bytes: Buffer): Promise<void> {
  const file = await volume.open('keyring', 'create');
  await file.truncate(0);
  await file.write([bytes], 0);
  await file.sync();
  await file.close();
}

const make = (volume: Volume = memoryVolume(), host: Host = manualHost()) =>
  openKeyring({ volume, host, create: true });

describe('keyring', () => {
  it('is made once and opened again, also after a crash right after it was made', async () => {
    let volume = memoryVolume();
    const host = manualHost();
    const first = await openKeyring({ volume, host, create: true });
    const wrapped = await first.wrap(secret, context);
    for (let seed = 0; seed < 20; seed++) {
      volume = volume.crash(seed);
      const again = await openKeyring({ volume, host, create: false, expected: first.fingerprint });
      assert.deepEqual(await again.unwrap(wrapped, context), secret);
    }
  });

  it('does not start without its file when the store holds data, and says what to do', async () => {
    const volume = memoryVolume();
    const missing = (error: unknown) => error instanceof KeyringError && /backup of keys\/keyring/.test(error.message);
    await assert.rejects(openKeyring({ volume, host: manualHost(), create: false }), missing);
    await assert.rejects(
      openKeyring({ volume, host: manualHost(), create: true, expected: `1-${'00'.repeat(16)}` }),
      missing,
    );
    assert.deepEqual(await volume.list(), []);
  });

  it('refuses the keyring of another store', async () => {
    const volume = memoryVolume();
    const own = await make(volume);
    const other = await make(memoryVolume(), manualHost(2));
    assert.notEqual(own.fingerprint, other.fingerprint);
    for (const expected of [other.fingerprint, `1-${'00'.repeat(16)}`])
      await assert.rejects(
        openKeyring({ volume, host: manualHost(), create: false, expected }),
        (error) => error instanceof KeyringError && /belongs to another store.*newest backup/.test(error.message),
      );
  });

  it('refuses an older backup of its own, and takes a newer file', async () => {
    const volume = memoryVolume();
    const keyring = await make(volume);
    const before = keyring.fingerprint;
    const old = await bytesOf(volume);
    await rotated(keyring);
    await rotated(keyring);
    const after = keyring.fingerprint;
    assert.match(after, /^3-[0-9a-f]{32}$/);
    const open = (expected: string) => openKeyring({ volume, host: manualHost(), create: false, expected });
    assert.equal((await open(before)).fingerprint, after, 'a rotation that nobody remembered does no harm');
    assert.equal((await open(after)).fingerprint, after);
    await overwrite(volume, old);
    await assert.rejects(open(after), /holds 1 of the 3 keys.*old backup/);
    assert.equal((await open(before)).fingerprint, before);
  });

  it('has a fingerprint of every key that tells nothing of them', async () => {
    const { decodeKeyring, encodeKeyring } = await import('./format.ts');
    const volume = memoryVolume();
    const keyring = await make(volume);
    await rotated(keyring);
    const content = decodeKeyring(await bytesOf(volume));
    for (const changed of [
      { ...content, identity: Buffer.alloc(16, 9) },
      ...[0, 1].map((which) => ({
        ...content,
        keys: content.keys.map((one, i) => (i === which ? { ...one, key: Buffer.alloc(32, 7) } : one)),
      })),
    ]) {
      await overwrite(volume, encodeKeyring(changed));
      const open = openKeyring({ volume, host: manualHost(), create: false, expected: keyring.fingerprint });
      await assert.rejects(open, KeyringError);
    }
    const digits = keyring.fingerprint.slice(2);
    for (const { key = Buffer.alloc(0) } of content.keys)
      for (let at = 0; at + 4 <= key.length; at++) assert.ok(!digits.includes(key.toString('hex', at, at + 4)));
  });

  it('refuses a file with any byte changed, cut short, or longer, and never replaces it', async () => {
    const volume = memoryVolume();
    await make(volume);
    const good = await bytesOf(volume);
    const bad: Buffer[] = [Buffer.alloc(0), Buffer.concat([good, Buffer.alloc(1)]), Buffer.alloc(70_000)];
    for (let i = 0; i < good.length; i++) {
      const changed = Buffer.from(good);
      changed[i]! ^= 1 << (i % 8);
      bad.push(changed, good.subarray(0, i));
    }
    for (const bytes of bad) {
      await overwrite(volume, bytes);
      await assert.rejects(make(volume), KeyringError);
      assert.deepEqual(await bytesOf(volume), bytes);
    }
  });

  it('refuses keys that are all zeros', async () => {
    const { encodeKeyring } = await import('./format.ts');
    const volume = memoryVolume();
    const blank = { version: 1, createdMs: 1, key: Buffer.alloc(32) };
    await overwrite(volume, encodeKeyring({ identity: Buffer.alloc(16, 7), active: 1, keys: [blank] }));
    await assert.rejects(openKeyring({ volume, host: manualHost(), create: false }), /all zeros/);
    const dry: Host = { ...manualHost(), entropy: { bytes: (length) => Buffer.alloc(length) } };
    await assert.rejects(openKeyring({ volume: memoryVolume(), host: dry, create: true }), /32 random bytes/);
  });

  it('does not open what was changed, or with another context', async () => {
    const keyring = await make();
    const wrapped = await keyring.wrap(secret, context);
    assert.ok(!wrapped.includes(secret));
    for (let i = 0; i < wrapped.length; i++) {
      const changed = Buffer.from(wrapped);
      changed[i]! ^= 0x10;
      await assert.rejects(keyring.unwrap(changed, context), denied);
      await assert.rejects(keyring.unwrap(wrapped.subarray(0, i), context), denied);
    }
    await assert.rejects(keyring.unwrap(wrapped, Buffer.from('another')), denied);
  });

  it('rotates: new keys wrap, old ones still unwrap, other threads follow, a crash leaves one or the other', async () => {
    let volume: MemoryVolume = memoryVolume();
    const host = manualHost();
    const owner = await openKeyring({ volume, host, create: true });
    const reader = await openKeyring({ volume, host, create: false });
    const old = await owner.wrap(secret, context);
    await rotated(owner);
    await rotated(owner);
    assert.equal(owner.active, 3);
    const young = await owner.wrap(secret, context);
    assert.notEqual(old.readUInt32LE(1), young.readUInt32LE(1));
    for (const keyring of [owner, reader]) {
      assert.deepEqual(await keyring.unwrap(old, context), secret);
      assert.deepEqual(await keyring.unwrap(young, context), secret);
    }
    for (let seed = 0; seed < 20; seed++) {
      volume = volume.crash(seed);
      const again = await openKeyring({ volume, host, create: false, expected: owner.fingerprint });
      assert.deepEqual(await again.unwrap(young, context), secret);
    }
  });

  it('survives a crash at any point of a rotation', async () => {
    for (let seed = 0; seed < 60; seed++) {
      const volume = memoryVolume();
      const host = manualHost(seed);
      const keyring = await openKeyring({ volume, host, create: true });
      const wrapped = await keyring.wrap(secret, context);
      const rotating = rotated(keyring).catch(() => 'power lost');
      for (let step = 0; step < seed % 20; step++) await Promise.resolve();
      const again = await openKeyring({
        volume: volume.crash(seed),
        host,
        create: false,
        expected: keyring.fingerprint,
      });
      assert.deepEqual(await again.unwrap(wrapped, context), secret);
      await rotating;
    }
  });

  it('binds the secret of an access key to its id', async () => {
    const keyring = await make();
    const sealed = await sealSecret(keyring, 'AKEY', 'sëcret');
    assert.equal(await openSecret(keyring, 'AKEY', sealed), 'sëcret');
    await assert.rejects(openSecret(keyring, 'OTHER', sealed), denied);
  });
});

describe('bucket keys', () => {
  it('give an object a seed of 16 bytes, from which this bucket alone derives its key', async () => {
    const host = manualHost();
    const keys = bucketKeys(await make(), host.entropy);
    const one = await keys.open('one', await keys.create('one'));
    const other = await keys.open('other', await keys.create('other'));
    const { key, wrapped } = one.newObjectKey();
    assert.equal(wrapped.length, 16);
    assert.deepEqual(one.unwrapObjectKey(wrapped), key);
    assert.notDeepEqual(other.unwrapObjectKey(wrapped), key);
    for (let at = 0; at < 16; at++) {
      const changed = Buffer.from(wrapped);
      changed[at]! ^= 1;
      assert.notDeepEqual(one.unwrapObjectKey(changed), key);
    }
    assert.throws(() => one.unwrapObjectKey(Buffer.alloc(16)), denied);
  });

  it('derive keys as docs/formats/keys.md says', async () => {
    const service = { wrap: async (plain: Uint8Array) => Buffer.from(plain), unwrap: async () => Buffer.alloc(32, 7) };
    const bucket = await bucketKeys(service, manualHost().entropy).open('b', Buffer.alloc(32));
    const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text, 'latin1').digest();
    const derivation = hmac(Buffer.alloc(32, 7), '\0\0\0\x01dsom object keys 1\0\0\0\x01\0');
    const seed = Buffer.from('000102030405060708090a0b0c0d0eff', 'hex');
    const expected = hmac(derivation, `\0\0\0\x01dsom object key 2\0${seed.toString('latin1')}\0\0\x01\0`);
    assert.deepEqual(bucket.unwrapObjectKey(seed), expected);
  });

  it('wrap a key that came from elsewhere in 60 bytes that only this bucket opens, unchanged', async () => {
    const host = manualHost();
    const keys = bucketKeys(await make(), host.entropy);
    const one = await keys.open('one', await keys.create('one'));
    const other = await keys.open('other', await keys.create('other'));
    const key = Buffer.alloc(32, 9);
    const wrapped = one.wrapObjectKey(key);
    assert.equal(wrapped.length, 60);
    assert.deepEqual(one.unwrapObjectKey(wrapped), key);
    assert.throws(() => other.unwrapObjectKey(wrapped), denied);
    fc.assert(
      fc.property(fc.nat(59), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = Buffer.from(wrapped);
        changed[at]! ^= mask;
        assert.throws(() => one.unwrapObjectKey(changed), denied);
      }),
      { numRuns: 100 },
    );
    for (let length = 0; length < 60; length++)
      if (length !== 16) assert.throws(() => one.unwrapObjectKey(wrapped.subarray(0, length)), denied);
    assert.throws(() => one.wrapObjectKey(Buffer.alloc(32)), /32 random bytes/);
  });

  it('never gives the same key or nonce twice (CVE-2020-1759)', async () => {
    const keys = bucketKeys(await make(), manualHost().entropy);
    const bucket = await keys.open('b', await keys.create('b'));
    const seen = new Set<string>();
    for (let i = 0; i < 500; i++) {
      const { key, wrapped } = bucket.newObjectKey();
      seen.add(key.toString('hex')).add(wrapped.toString('hex'));
      seen.add(bucket.wrapObjectKey(key).subarray(0, 12).toString('hex'));
    }
    assert.equal(seen.size, 1500);
  });

  it('belong to their bucket: another name does not open them', async () => {
    const keys = bucketKeys(await make(), manualHost().entropy);
    const wrapped = await keys.create('mine');
    await assert.rejects(keys.open('yours', wrapped), denied);
  });

  it('stay open within a bound, and a bucket made again has its new key', async () => {
    const keyring = await make();
    let calls = 0;
    const counting = {
      wrap: keyring.wrap.bind(keyring),
      unwrap(wrapped: Uint8Array, context: Uint8Array) {
        calls++;
        return keyring.unwrap(wrapped, context);
      },
    };
    const keys = bucketKeys(counting, manualHost().entropy);
    const first = await keys.create('b0');
    assert.equal(keys.opened('b0', first), undefined);
    const open = await keys.open('b0', first);
    assert.equal(await keys.open('b0', first), open);
    assert.equal(keys.opened('b0', first), open);
    assert.equal(calls, 1);
    const second = await keys.create('b0');
    assert.notEqual(await keys.open('b0', second), open);
    assert.equal(keys.opened('b0', first), undefined);
    for (let i = 1; i <= 1024; i++) await keys.open(`b${i}`, await keys.create(`b${i}`));
    assert.equal(keys.opened('b0', second), undefined);
    assert.equal(calls, 1026);
  });
});
