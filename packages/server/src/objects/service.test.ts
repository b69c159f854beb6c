import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../codec/index.ts';
import { limits } from '../limits.ts';
import { etagText } from './etag.ts';
import { versionIdText } from './ids.ts';
import { gathered } from './pipeline.fixture.ts';
import { bodyOf, codeOf, openService, plain } from './service.fixture.ts';
import { noise } from './stripes.fixture.ts';

const frame = limits.frameBytes;
const at = (bucket: string, key: string, versionId?: string) => ({
  bucket,
  key: Buffer.from(key),
  versionId,
  guard: undefined,
});
const bucket = { owner: 'owner', region: 'here' };

test('an object is what was put, said and sealed', async () => {
  const { objects, stripes, put, get } = await openService();
  await objects.createBucket({ ...bucket, name: 'first' });
  const bytes = noise(3 * frame + 5, 1);
  const headers = { contentType: 'text/plain', cacheControl: 'no-store' };
  const metadata = [['colour', 'grün']] as const;
  const tags = [['a', 'b']] as const;
  const { version, position } = await put('first', 'k', bytes, { headers, metadata, tags });
  assert.equal(version.size, bytes.length);
  assert.deepEqual(version.etag, digestOf('MD5', bytes));
  const reading = await objects.read(at('first', 'k'));
  assert.deepEqual(reading.version.headers, headers);
  assert.deepEqual(reading.version.metadata, metadata);
  assert.deepEqual(reading.version.tags, tags);
  assert.ok(reading.position >= position);
  assert.ok((await get('first', 'k')).equals(bytes));
  assert.equal(reading.immediate({ start: 0, end: 10 }), undefined);
  assert.equal(stripes.settled.size, 1);
  assert.deepEqual(objects.byGuk(version.guk), { bucket: 'first', key: Buffer.from('k') });
  assert.equal(await codeOf(() => objects.byGuk(Buffer.alloc(16))), 'NotFound');
});

test('an inline object is read without a promise, whole or in part', async () => {
  const { objects, stripes, put } = await openService();
  await objects.createBucket({ ...bucket, name: 'first' });
  const bytes = noise(4096, 2);
  await put('first', 'small', bytes, { body: bodyOf(bytes, true) });
  await put('first', 'empty', Buffer.alloc(0), { body: bodyOf(Buffer.alloc(0), true) });
  assert.equal(stripes.held.size, 0);
  const reading = objects.read(at('first', 'small'));
  assert.ok(!(reading instanceof Promise));
  assert.ok(reading.immediate({ start: 0, end: 4096 })?.equals(bytes));
  assert.ok(reading.immediate({ start: 4000, end: 4001 })?.equals(bytes.subarray(4000, 4001)));
  assert.ok((await gathered(reading.open({ start: 1, end: 4095 }))).equals(bytes.subarray(1, 4095)));
  const empty = objects.read(at('first', 'empty'));
  assert.ok(!(empty instanceof Promise));
  assert.equal(empty.immediate({ start: 0, end: 0 })?.length, 0);
  assert.throws(() => empty.open({ start: 0, end: 1 }), /a slice lies within its object/);
});

test('the MD5 of a body in hand is taken from whoever makes it, once, and compared as any other', async () => {
  const { objects, put } = await openService();
  await objects.createBucket({ ...bucket, name: 'first' });
  for (const size of [0, 1, 4096, 4097, 50_000, limits.wholeBodyBytes]) {
    const bytes = noise(size, 2 + size);
    let asked = 0;
    const md5 = () => {
      asked++;
      return digestOf('MD5', bytes);
    };
    const body = { ...bodyOf(bytes, true), md5 };
    const { version } = await put('first', 'k', bytes, { body, expected: { md5: digestOf('MD5', bytes) } });
    assert.deepEqual(version.etag, digestOf('MD5', bytes));
    assert.equal(asked, 1, `${size} bytes`);
    const wrong = { ...bodyOf(bytes, true), md5: () => Buffer.alloc(16) };
    const given = { body: wrong, expected: { md5: digestOf('MD5', bytes) } };
    assert.equal(await codeOf(() => put('first', 'k', bytes, given)), 'BadDigest');
  }
});

test('a frame in the cache is at hand', async () => {
  const { objects, put } = await openService({ cacheBytes: 2 ** 22 });
  await objects.createBucket({ ...bucket, name: 'first' });
  const bytes = noise(3 * frame, 3);
  await put('first', 'k', bytes);
  const reading = await objects.read(at('first', 'k'));
  await gathered(reading.open({ start: frame, end: 2 * frame }));
  assert.ok(reading.immediate({ start: frame + 7, end: 2 * frame })?.equals(bytes.subarray(frame + 7, 2 * frame)));
  assert.equal(reading.immediate({ start: frame - 1, end: frame + 1 }), undefined);
  assert.equal(reading.immediate({ start: 0, end: frame }), undefined);
});

test('what is not there, and what a marker says', async () => {
  const { objects, put } = await openService();
  assert.equal(await codeOf(() => objects.read(at('nowhere', 'k'))), 'NoSuchBucket');
  assert.equal(await codeOf(() => put('nowhere', 'k', Buffer.from('x'))), 'NoSuchBucket');
  await objects.createBucket({ ...bucket, name: 'kept', versioning: 'enabled' });
  assert.equal(await codeOf(() => objects.read(at('kept', 'k'))), 'NoSuchKey');
  assert.equal(await codeOf(() => objects.read(at('kept', 'k', 'bad'))), 'InvalidArgument');
  assert.equal(await codeOf(() => objects.read(at('kept', 'k', '0'.repeat(32)))), 'NoSuchVersion');
  const one = await put('kept', 'k', Buffer.from('one'));
  const two = await put('kept', 'k', Buffer.from('two'));
  const [deleted] = await objects.delete('kept', 'owner', [
    { key: Buffer.from('k'), versionId: undefined, guard: undefined },
  ]);
  assert.equal(deleted?.marker, true);
  const marker = versionIdText(deleted!.version!);
  await assert.rejects(
    async () => objects.read(at('kept', 'k')),
    (error: { code: string; detail: object }) => {
      assert.equal(error.code, 'NoSuchKey');
      assert.deepEqual(error.detail, { DeleteMarker: 'true', VersionId: marker });
      return true;
    },
  );
  await assert.rejects(
    async () => objects.read(at('kept', 'k', marker)),
    (error: { code: string; detail: Record<string, string> }) => {
      assert.equal(error.code, 'MethodNotAllowed');
      assert.deepEqual(
        [error.detail['DeleteMarker'], error.detail['VersionId'], error.detail['Allow']],
        ['true', marker, 'DELETE'],
      );
      assert.equal(error.detail['ModifiedMs'], String(deleted!.version!.modifiedMs));
      return true;
    },
  );
  const versions = [one, two].map(({ version }) => versionIdText(version));
  for (const [i, id] of versions.entries()) {
    const reading = await objects.read(at('kept', 'k', id));
    assert.equal(reading.immediate({ start: 0, end: 3 })?.toString(), ['one', 'two'][i]);
  }
  const source = at('kept', 'k', marker);
  const copy = {
    source,
    bucket: 'kept',
    key: Buffer.from('c'),
    owner: 'o',
    guard: undefined,
    storageClass: 'STANDARD',
  };
  assert.equal(await codeOf(() => objects.copy({ ...copy, checksumAlgorithm: undefined })), 'InvalidRequest');
});

test('a write that is refused leaves no bytes, and one whose outcome is unknown leaves them to the collector', async () => {
  const { objects, metadata, stripes, put } = await openService();
  await objects.createBucket({ ...bucket, name: 'first' });
  const bytes = noise(2 * frame, 4);
  await put('first', 'k', Buffer.from('there'));
  assert.equal(await codeOf(() => put('first', 'k', bytes, { guard: { ifNoneMatch: '*' } })), 'PreconditionFailed');
  assert.equal(await codeOf(() => put('first', 'k', bytes, { guard: { ifMatch: '"00"' } })), 'PreconditionFailed');
  assert.equal(await codeOf(() => put('first', 'k', bytes, { expected: { md5: Buffer.alloc(16) } })), 'BadDigest');
  assert.equal(stripes.held.size, 0);
  await metadata.close();
  assert.equal(await codeOf(() => put('first', 'k', bytes)), 'ServiceUnavailable');
  assert.equal(stripes.held.size, 1);
  assert.equal(stripes.settled.size, 4, 'every stripe is settled, whatever the outcome');
});

test('buckets: names, owners, updates', async () => {
  const { objects, put } = await openService();
  assert.equal(await codeOf(() => objects.createBucket({ ...bucket, name: 'No' })), 'InvalidBucketName');
  await objects.createBucket({ ...bucket, name: 'first' });
  assert.equal(await codeOf(() => objects.createBucket({ ...bucket, name: 'first' })), 'BucketAlreadyOwnedByYou');
  await put('first', 'k', Buffer.from('x'));
  assert.equal(await codeOf(() => objects.deleteBucket('first')), 'BucketNotEmpty');
  assert.equal(await codeOf(() => objects.deleteBucket('other')), 'NoSuchBucket');
  const changed = await objects.updateBucket('first', { versioning: 'enabled', tags: [['a', 'b']] });
  assert.equal(changed.versioning, 'enabled');
  assert.deepEqual(objects.bucket('first').tags, [['a', 'b']]);
  const twice = [
    ['a', '1'],
    ['a', '2'],
  ] as const;
  assert.equal(await codeOf(() => objects.updateBucket('first', { tags: twice })), 'InvalidTag');
  assert.equal(
    await codeOf(() => objects.updateBucket('first', { redundancy: { copies: 2 } })),
    'UnsupportedRedundancy',
  );
  assert.equal(
    await codeOf(() => objects.updateBucket('first', { redundancy: { copies: 0 } })),
    'UnsupportedRedundancy',
  );
  assert.deepEqual((await objects.updateBucket('first', { redundancy: { copies: 1 } })).redundancy, { copies: 1 });
  assert.equal(objects.buckets('', 10).items.length, 1);
});

test('what is said of an object has bounds', async () => {
  const { objects, put } = await openService();
  await objects.createBucket({ ...bucket, name: 'first' });
  const tags = Array.from({ length: 11 }, (_, i) => [`t${i}`, ''] as const);
  const cases: [Parameters<typeof put>[3], string][] = [
    [{ storageClass: 'GLACIER' }, 'InvalidStorageClass'],
    [{ storageClass: 'nonsense' }, 'InvalidStorageClass'],
    [{ metadata: [['a', 'x'.repeat(2048)]] }, 'MetadataTooLarge'],
    [{ tags }, 'InvalidTag'],
    [{ tags: [['', 'v']] }, 'InvalidTag'],
    [{ tags: [['k'.repeat(129), 'v']] }, 'InvalidTag'],
    [{ tags: [['k', 'v'.repeat(257)]] }, 'InvalidTag'],
    [{ key: Buffer.alloc(1025, 'k') }, 'KeyTooLongError'],
    [{ key: Buffer.alloc(0) }, 'InvalidArgument'],
  ];
  for (const [more, code] of cases) assert.equal(await codeOf(() => put('first', 'k', Buffer.from('x'), more)), code);
  await put('first', 'k', Buffer.from('x'), {
    key: Buffer.alloc(1024, 'k'),
    tags: tags.slice(0, 10),
    storageClass: 'STANDARD_IA',
  });
});

test('read conditions', async () => {
  const { objects, put } = await openService();
  await objects.createBucket({ ...bucket, name: 'first' });
  const { version } = await put('first', 'k', Buffer.from('x'));
  const etag = etagText(version);
  assert.equal(await codeOf(() => objects.read({ ...at('first', 'k'), guard: { ifNoneMatch: etag } })), 'NotModified');
  assert.equal(
    await codeOf(() => objects.read({ ...at('first', 'k'), guard: { ifMatch: '"0"' } })),
    'PreconditionFailed',
  );
  assert.equal(await codeOf(() => objects.read({ ...at('first', 'k'), guard: { ifMatch: etag } })), 'no error');
});

test('tags are set on one version, and a patch keeps what it does not name', async () => {
  const { objects, put, get } = await openService();
  for (const versioning of ['off', 'enabled'] as const) {
    const name = `b-${versioning}`;
    await objects.createBucket({ ...bucket, name, versioning });
    const bytes = noise(2 * frame, 5);
    const { version } = await put(name, 'k', bytes, {
      metadata: [
        ['a', '1'],
        ['b', '2'],
      ],
      headers: { contentType: 'text/plain' },
    });
    const tagged = await objects.setTags(at(name, 'k'), [['t', 'v']]);
    assert.equal(tagged.sequence, version.sequence);
    const patched = await objects.patch({
      ...at(name, 'k'),
      owner: 'owner',
      metadata: {
        clear: false,
        set: [
          ['a', null],
          ['c', '3'],
        ],
      },
      headers: { clear: false, set: [['cacheControl', 'no-store']] },
    });
    assert.deepEqual(patched.version.metadata, [
      ['b', '2'],
      ['c', '3'],
    ]);
    assert.deepEqual(patched.version.headers, { contentType: 'text/plain', cacheControl: 'no-store' });
    assert.deepEqual(patched.version.tags, [['t', 'v']]);
    assert.ok((await get(name, 'k')).equals(bytes));
    const page = objects.listVersions({
      bucket: name,
      prefix: Buffer.alloc(0),
      delimiter: Buffer.alloc(0),
      after: Buffer.alloc(0),
      limit: 10,
      versionMarker: undefined,
    });
    assert.equal(page.items.length, versioning === 'off' ? 1 : 2);
    const id = versionIdText(patched.version);
    const again = await objects.patch({
      ...at(name, 'k', id),
      owner: 'owner',
      metadata: { clear: false, set: [['d', '4']] },
    });
    assert.equal(again.version.sequence, patched.version.sequence);
    assert.equal(await codeOf(() => objects.patch({ ...at(name, 'none'), owner: 'owner' })), 'NoSuchKey');
    const guard = { ifMatch: '"0"' };
    assert.equal(await codeOf(() => objects.patch({ ...at(name, 'k'), guard, owner: 'owner' })), 'PreconditionFailed');
  }
});

test('deletes: each has its outcome, ids that are none too', async () => {
  const { objects, put } = await openService();
  await objects.createBucket({ ...bucket, name: 'first' });
  await put('first', 'a', Buffer.from('x'));
  const item = (key: string, versionId?: string) => ({ key: Buffer.from(key), versionId, guard: undefined });
  const results = await objects.delete('first', 'o', [item('a'), item('b', 'junk'), item('c')]);
  assert.deepEqual(
    results.map(({ error }) => error?.code),
    [undefined, 'NoSuchVersion', undefined],
  );
  assert.equal(await codeOf(() => objects.delete('first', 'o', [item('b', 'junk')])), 'InvalidArgument');
  assert.equal((await objects.delete('first', 'o', [item('b', 'junk'), item('c', 'junk')])).length, 2);
  assert.equal(await codeOf(() => objects.read(at('first', 'a'))), 'NoSuchKey');
});

test('oldest read', async () => {
  const { objects, put, host } = await openService();
  await objects.createBucket({ ...bucket, name: 'first' });
  const { position } = await put('first', 'k', noise(20 * frame, 6));
  await put('first', 'small', Buffer.from('x'));
  await objects.read(at('first', 'small'));
  assert.equal(objects.oldestRead(), undefined, 'inline bytes are never garbage');
  const reading = await objects.read(at('first', 'k'));
  assert.ok((objects.oldestRead() ?? 0) >= position, 'a read counts before it begins with its bytes');
  const stream = reading.open({ start: 0, end: reading.version.size })[Symbol.asyncIterator]();
  await stream.next();
  host.advance(60_000);
  assert.ok((objects.oldestRead() ?? 0) >= position);
  await stream.return?.();
  assert.equal(objects.oldestRead(), undefined);
});

test('how redundant an object is now: of its worst stripe, one copy within metadata, and not known of very many stripes', async () => {
  const { objects, stripes, put } = await openService({ copies: 2 });
  await objects.createBucket({ ...bucket, name: 'first' });
  const whole = (await put('first', 'whole', noise(limits.stripeBytes + 5, 1))).version;
  assert.deepEqual(objects.stored(whole), { redundancy: { copies: 2 }, missing: 0 });
  assert.deepEqual(objects.stored((await put('first', 'small', noise(10, 2))).version), {
    redundancy: { copies: 1 },
    missing: 0,
  });
  assert.deepEqual(objects.stored((await put('first', 'empty', Buffer.alloc(0))).version), {
    redundancy: { copies: 1 },
    missing: 0,
  });
  const last = [...stripes.held.keys()].at(-1) as string;
  (stripes.held.get(last) as Buffer[])[1] = Buffer.alloc(0);
  assert.deepEqual(objects.stored(whole), { redundancy: { copies: 2 }, missing: 1 });
  // A piece of two more kinds behind it: the worst is told.
  const appending = { ...plain, bucket: 'first', key: Buffer.from('whole'), owner: 'owner', expected: {} };
  const line = { body: bodyOf(noise(10, 3)), guard: undefined, redundancy: undefined, offset: undefined };
  const appended = await objects.append({ ...appending, ...line });
  assert.deepEqual(objects.stored(appended.version).redundancy, { copies: 1 });

  const { embedded } = whole.manifest;
  assert.ok(embedded && 'stripes' in embedded.body);
  const [stripe] = embedded.body.stripes;
  assert.ok(stripe);
  const body = { stripes: Array.from({ length: limits.toldStripes + 1 }, () => stripe) };
  const many = { ...whole, manifest: { ...whole.manifest, embedded: { ...embedded, body } } };
  assert.deepEqual(objects.stored(many), { redundancy: { copies: 2 }, missing: undefined });
});
