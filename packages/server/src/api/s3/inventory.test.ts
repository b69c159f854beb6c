/* Inventories: what is taken as a configuration, and what is written. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { canonicalIdOf, firstAccount, groups } from '../../access/index.ts';
import { realHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { type Inventory, inventoriesOf, inventoryFields, inventoryForm } from './configurations/inventory.ts';
import { type Answer, type Harness, startHarness } from './harness.support.ts';
import { lastWritten, writeInventory } from './inventory/report.ts';
import { columnsOf } from './inventory/row.ts';
import { plainVersion } from './rows.support.ts';
import { type MemoryStore, openMemoryStore } from './store.support.ts';
import { parseXml } from './xml/parser.ts';
import { s3Document } from './xml/writer.ts';

const host = realHost();
let store: MemoryStore;
let s3: Harness;
before(async () => {
  store = await openMemoryStore();
  s3 = await startHarness(store.objects);
  for (const bucket of ['source', 'reports', 'plain']) assert.equal((await s3.send('PUT', `/${bucket}`)).status, 200);
  const versioning = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  await s3.send('PUT', '/source', { query: { versioning: '' }, body: versioning });
});
after(async () => {
  await s3.close();
  await store.close();
});

const put = (id: string, body: string, bucket = 'source'): Promise<Answer> =>
  s3.send('PUT', `/${bucket}`, { query: { inventory: '', id }, body });
const destination = (more: string, bucket = 'reports') =>
  `<Destination><S3BucketDestination><Bucket>arn:aws:s3:::${bucket}</Bucket>${more}</S3BucketDestination></Destination>`;
const whole = (id: string, inner: string) => `<InventoryConfiguration><Id>${id}</Id>${inner}</InventoryConfiguration>`;
const rest =
  '<IsEnabled>true</IsEnabled><IncludedObjectVersions>Current</IncludedObjectVersions><Schedule><Frequency>Daily</Frequency></Schedule>';
const csv = destination('<Format>CSV</Format>');

const inventory = (change: Partial<Inventory>): Inventory => ({
  id: 'list',
  enabled: true,
  prefix: undefined,
  versions: 'All',
  fields: inventoryFields,
  frequency: 'Daily',
  format: 'CSV',
  account: undefined,
  bucket: 'reports',
  targetPrefix: 'lists',
  encrypted: false,
  ...change,
});
const write = (change: Partial<Inventory>, bucket = 'source') =>
  writeInventory({
    objects: store.objects,
    host,
    bucket,
    inventory: inventory(change),
    signal: new AbortController().signal,
    seconds: true,
  });
const read = async (key: string): Promise<Buffer> => {
  const got = await s3.send('GET', `/reports/${key}`);
  assert.equal(got.status, 200, `${key} ${got.text}`);
  return got.body;
};

interface Manifest {
  readonly fileSchema: string;
  readonly files: readonly { readonly key: string; readonly size: number; readonly MD5checksum: string }[];
  readonly [name: string]: unknown;
}

/** The manifest, once its checksum and those of its files are right, and the bytes of the files. */
async function report(manifest: string): Promise<{ manifest: Manifest; files: Buffer[] }> {
  const bytes = await read(manifest);
  const md5 = (data: Buffer) => createHash('md5').update(data).digest('hex');
  assert.equal((await read(manifest.replace(/json$/, 'checksum'))).toString(), md5(bytes));
  const value = JSON.parse(bytes.toString()) as Manifest;
  const files: Buffer[] = [];
  for (const file of value.files) {
    const data = await read(file.key);
    assert.deepEqual([data.length, md5(data)], [file.size, file.MD5checksum]);
    files.push(data);
  }
  return { manifest: value, files };
}
/** No value has quotes in it: keys are URL-encoded. */
const rowsOf = (files: readonly Buffer[]): string[][] =>
  files.flatMap((file) =>
    gunzipSync(file)
      .toString('utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => line.slice(1, -1).split('","')),
  );

describe('the configuration of an inventory', () => {
  it('is kept, read, listed and deleted by its id', async () => {
    const full = `${destination('<AccountId>000000000000</AccountId><Format>CSV</Format><Prefix>lists</Prefix><Encryption><SSE-S3/></Encryption>')}<Filter><Prefix>in/</Prefix></Filter><OptionalFields><Field>Size</Field><Field>ETag</Field></OptionalFields>${rest}`;
    const done = await put('b', whole('b', full));
    assert.deepEqual([done.status, done.text], [200, '']);
    assert.equal((await put('a', whole('a', csv + rest))).status, 200);
    const got = await s3.send('GET', '/source', { query: { inventory: '', id: 'b' } });
    assert.deepEqual(got.all('Field'), ['Size', 'ETag']);
    assert.deepEqual(got.all('Prefix'), ['lists', 'in/']);
    assert.equal(got.all('SSE-S3').length, 1);
    const listed = await s3.send('GET', '/source', { query: { inventory: '' } });
    assert.deepEqual(listed.all('Id'), ['a', 'b']);
    for (const id of ['a', 'b'])
      assert.equal((await s3.send('DELETE', '/source', { query: { inventory: '', id } })).status, 204);
    assert.equal((await s3.send('GET', '/source', { query: { inventory: '', id: 'a' } })).code, 'NoSuchConfiguration');
  });

  it('is refused as AWS refuses it, and what is not done is refused by name', async () => {
    const to = (bucket: string) => destination('<Format>CSV</Format>', bucket);
    const cases: readonly (readonly [string, string, number])[] = [
      [to('missing') + rest, 'InvalidS3DestinationBucket', 400],
      [to('A') + rest, 'InvalidS3DestinationBucket', 400],
      [destination('<Format>ORC</Format>') + rest, 'NotImplemented', 501],
      [
        `${destination('<Format>CSV</Format><Encryption><SSE-KMS><KeyId>k</KeyId></SSE-KMS></Encryption>')}${rest}`,
        'NotImplemented',
        501,
      ],
      [destination('<Format>XML</Format>') + rest, 'MalformedXML', 400],
      [`${csv}${rest}<OptionalFields><Field>Nothing</Field></OptionalFields>`, 'MalformedXML', 400],
      [`${csv}${rest}<OptionalFields><Field>Size</Field><Field>Size</Field></OptionalFields>`, 'MalformedXML', 400],
      [csv, 'MalformedXML', 400],
      [rest, 'MalformedXML', 400],
      [csv + rest.replace('Daily', 'Hourly'), 'MalformedXML', 400],
      [csv + rest.replace('true', 'maybe'), 'MalformedXML', 400],
      [csv + rest.replace('Current', 'Some'), 'MalformedXML', 400],
      [`${csv}${rest}<Other/>`, 'MalformedXML', 400],
      [`${csv}${csv}${rest}`, 'MalformedXML', 400],
      [`${destination(`<Format>CSV</Format><Prefix>${'x'.repeat(513)}</Prefix>`)}${rest}`, 'InvalidArgument', 400],
    ];
    for (const [inner, code, status] of cases) {
      const answer = await put('a', whole('a', inner));
      assert.deepEqual([answer.code, answer.status], [code, status], `${inner.slice(0, 400)} ${answer.text}`);
    }
    assert.equal((await put('a', whole('b', csv + rest))).code, 'InvalidArgument');
    assert.equal((await put('a', whole('a', csv + rest), 'missing')).code, 'NoSuchBucket');
    for (const as of ['anonymous', 'readonly'] as const)
      assert.equal(
        (await s3.send('PUT', '/source', { query: { inventory: '', id: 'a' }, body: whole('a', csv + rest), as })).code,
        'AccessDenied',
      );
  });

  it('is read by the parser that took it in', () => {
    const word = fc.stringMatching(/^[a-z]{3,8}$/);
    const drawn: fc.Arbitrary<Inventory> = fc.record(
      {
        id: word,
        enabled: fc.boolean(),
        prefix: fc.option(word, { nil: undefined }),
        versions: fc.constantFrom('All', 'Current'),
        fields: fc.shuffledSubarray([...inventoryFields]),
        frequency: fc.constantFrom('Daily', 'Weekly'),
        format: fc.constantFrom('CSV', 'Parquet'),
        account: fc.option(fc.constant('000000000000'), { nil: undefined }),
        bucket: word,
        targetPrefix: fc.option(word, { nil: undefined }),
        encrypted: fc.boolean(),
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(drawn, (value) => {
        const document = s3Document(inventoryForm.root, inventoryForm.write(value));
        assert.deepEqual(inventoryForm.parse(parseXml(Buffer.from(document))), value);
      }),
    );
    assert.deepEqual(inventoriesOf(Buffer.from('<InventoryConfigurations/>')), []);
  });
});

describe('an inventory', () => {
  it('has every version with every field, in files that its manifest names', async () => {
    await s3.send('PUT', '/source/in/a "b", ü', { body: 'one' });
    await s3.send('PUT', '/source/in/a "b", ü', { body: 'second' });
    await s3.send('PUT', '/source/in/gone', { body: 'x' });
    await s3.send('DELETE', '/source/in/gone');
    await s3.send('PUT', '/source/out', { body: '' });
    const made = await write({});
    assert.match(made.manifest, /^lists\/source\/list\/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\/manifest\.json$/);
    const { manifest, files } = await report(made.manifest);
    assert.deepEqual(
      [manifest['sourceBucket'], manifest['destinationBucket'], manifest['version'], manifest['fileFormat']],
      ['source', 'arn:aws:s3:::reports', '2016-11-30', 'CSV'],
    );
    const columns = manifest.fileSchema.split(', ');
    assert.deepEqual(columns, ['Bucket', 'Key', 'VersionId', 'IsLatest', 'IsDeleteMarker', ...inventoryFields]);
    const rows = rowsOf(files).map((row) => Object.fromEntries(row.map((value, at) => [columns[at], value])));
    assert.equal(rows.length, 5);
    const [second, first] = rows;
    const key = 'in/a%20%22b%22%2C%20%C3%BC';
    assert.deepEqual(
      rows.map(({ Key, IsLatest, IsDeleteMarker, Size }) => [Key, IsLatest, IsDeleteMarker, Size]),
      [
        [key, 'true', 'false', '6'],
        [key, 'false', 'false', '3'],
        ['in/gone', 'true', 'true', ''],
        ['in/gone', 'false', 'false', '1'],
        ['out', 'true', 'false', '0'],
      ],
    );
    assert.match(second?.['LastModifiedDate'] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(second?.['ETag'], createHash('md5').update('second').digest('hex'));
    assert.deepEqual(
      [
        first?.['StorageClass'],
        first?.['IsMultipartUploaded'],
        first?.['EncryptionStatus'],
        first?.['BucketKeyStatus'],
      ],
      ['STANDARD', 'false', 'SSE-S3', 'DISABLED'],
    );
    assert.ok(first?.['VersionId'] && first['VersionId'] !== second?.['VersionId']);
    const hive = (await s3.send('GET', '/reports', { query: { prefix: 'lists/source/list/hive/' } })).all('Key');
    assert.equal(hive.length, 1);
    assert.equal((await read(hive[0] as string)).toString(), `s3://reports/${manifest.files[0]?.key}`);
  });

  it('says whose each object is and what it grants, as GetObjectAcl does', async () => {
    await s3.send('PUT', '/mixed', { headers: { 'x-amz-object-ownership': 'ObjectWriter' } });
    const policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:PutObject*', Resource: 'arn:aws:s3:::mixed/*' }],
    });
    await s3.send('PUT', '/mixed', { query: { policy: '' }, body: policy });
    const [ours, theirs] = [canonicalIdOf(firstAccount), canonicalIdOf('123456789012')];
    const headers = {
      'x-amz-grant-read': `uri="${groups.AuthenticatedUsers}"`,
      'x-amz-grant-full-control': `id=${theirs}`,
    };
    assert.equal((await s3.send('PUT', '/mixed/a', { body: 'a' })).status, 200);
    assert.equal((await s3.send('PUT', '/mixed/b', { body: 'b', headers })).status, 200);
    assert.equal((await s3.send('PUT', '/mixed/c', { body: 'c', as: 'foreign' })).status, 200);
    const fields = ['ObjectAccessControlList', 'ObjectOwner'] as const;
    const listed = async (id: string) => {
      const { manifest } = await write({ versions: 'Current', fields, id }, 'mixed');
      return rowsOf((await report(manifest)).files).map(([, key, acl, owner]) => [
        key,
        owner,
        JSON.parse(Buffer.from(acl ?? '', 'base64').toString()),
      ]);
    };
    const list = (...grants: object[]) => ({ version: '2022-11-10', status: 'AVAILABLE', grants });
    const full = (canonicalId: string) => ({ canonicalId, type: 'CanonicalUser', permission: 'FULL_CONTROL' });
    const group = { uri: groups.AuthenticatedUsers, type: 'Group', permission: 'READ' };
    assert.deepEqual(await listed('mixed'), [
      ['a', ours, list(full(ours))],
      ['b', ours, list(full(theirs), group)],
      ['c', theirs, list(full(theirs))],
    ]);
    // With lists off they say nothing, and all is the bucket's owner's.
    const rule =
      '<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>';
    const md5 = { 'content-md5': createHash('md5').update(rule).digest('base64') };
    assert.equal(
      (await s3.send('PUT', '/mixed', { query: { ownershipControls: '' }, body: rule, headers: md5 })).text,
      '',
    );
    for (const row of await listed('off')) assert.deepEqual(row.slice(1), [ours, list(full(ours))]);
  });

  it('says of a list that it cannot read that it is not to be had', () => {
    const [acl, owner] = columnsOf({ versions: 'Current', fields: ['ObjectAccessControlList', 'ObjectOwner'] }).slice(
      2,
    );
    const bucket = store.objects.bucket('source');
    const listed = {
      key: Buffer.from('k'),
      isLatest: true,
      record: { ...plainVersion(Buffer.alloc(1)), acl: Buffer.from('{') },
    };
    const source = { bucket, lists: true };
    assert.equal(owner?.of(listed, source), 'UNAVAILABLE');
    assert.equal(
      Buffer.from(String(acl?.of(listed, source)), 'base64').toString(),
      '{"version":"2022-11-10","status":"UNAVAILABLE","grants":[]}',
    );
  });

  it('has current objects only, and those of its prefix', async () => {
    const made = await write({ versions: 'Current', prefix: 'in/', fields: [], id: 'current' });
    const { manifest, files } = await report(made.manifest);
    assert.equal(manifest.fileSchema, 'Bucket, Key');
    assert.deepEqual(rowsOf(files), [['source', 'in/a%20%22b%22%2C%20%C3%BC']]);
    const nothing = await write({ prefix: 'none/', id: 'nothing' });
    const empty = await report(nothing.manifest);
    assert.deepEqual([nothing.rows, empty.files.length, rowsOf(empty.files)], [0, 1, []]);
  });

  it('has each key once over many pages', async () => {
    const keys = Array.from({ length: 2 * limits.listPage + 7 }, (_, at) => `k${String(at).padStart(5, '0')}`);
    for (let at = 0; at < keys.length; at += 100)
      await Promise.all(keys.slice(at, at + 100).map((key) => s3.send('PUT', `/plain/${key}`, { body: '' })));
    const made = await write({ versions: 'Current', fields: ['Size'], id: 'many' }, 'plain');
    const { files } = await report(made.manifest);
    assert.deepEqual(
      rowsOf(files).map(([, key]) => key),
      keys,
    );
    assert.equal(made.rows, keys.length);
  });

  it('is the same as Parquet', async (t) => {
    const reader = 'hyparquet';
    const found = await import(reader).catch(() => undefined);
    if (!found) return t.skip('hyparquet is not installed: npm install');
    const made = await write({ format: 'Parquet', id: 'parquet' });
    const { manifest, files } = await report(made.manifest);
    assert.match(
      manifest.fileSchema,
      /^message s3\.inventory \{ required binary bucket \(UTF8\); required binary key \(UTF8\); optional binary version_id \(UTF8\);.* optional binary e_tag \(UTF8\);/,
    );
    const [file] = files;
    assert.ok(file);
    const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.length);
    const rows = (await found.parquetReadObjects({ file: bytes })) as Record<string, unknown>[];
    assert.deepEqual(
      rows.map((row) => [row['bucket'], row['key'], row['is_latest'], row['is_delete_marker'], row['size'] ?? null]),
      [
        ['source', 'in/a "b", ü', true, false, 6n],
        ['source', 'in/a "b", ü', false, false, 3n],
        ['source', 'in/gone', true, true, null],
        ['source', 'in/gone', false, false, 1n],
        ['source', 'out', true, false, 0n],
      ],
    );
    assert.ok(rows[0]?.['last_modified_date'] instanceof Date);
  });

  it('is known to be there only when it is whole', async () => {
    const wanted = inventory({ id: 'whole' });
    assert.equal(lastWritten(store.objects, 'source', wanted), undefined);
    const before = Math.floor(Date.now() / 1000) * 1000;
    await s3.send('PUT', '/reports/lists/source/whole/2099-01-01T00-00Z/manifest.json', { body: '{}' });
    await s3.send('PUT', '/reports/lists/source/whole/data/other.csv.gz', { body: 'x' });
    assert.equal(lastWritten(store.objects, 'source', wanted), undefined, 'a run that a crash ended');
    await write({ id: 'whole' });
    const last = lastWritten(store.objects, 'source', wanted) ?? 0;
    assert.ok(last >= before && last <= Date.now(), `${last}`);
  });
});
